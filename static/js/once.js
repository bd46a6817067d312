// A form is sent once however often its button is pressed; the button says that it is being sent.
const REST = 30000; // ms: if no page has come by then, one may try again

export function once() {
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    // What answers with a file leaves the page as it is, and may be asked for twice.
    if (event.defaultPrevented || form.method !== "post" || "answersWithFile" in form.dataset) return;
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
