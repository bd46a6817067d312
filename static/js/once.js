// A form is sent once however often its button is pressed; the button says that it is being sent.
const REST = 4000; // ms: a form that answers with a file leaves the page as it is

export function once() {
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    submitter?.setAttribute("aria-busy", "true");
    setTimeout(() => rest(form), REST);
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(rest));
}

function rest(form) {
  delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
}
