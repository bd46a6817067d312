// Warns before the session ends, and lets one go on where one was after signing in again.
const WARN = 120; // seconds before the end
const SHARED = "kvitt-session"; // what one tab learns, the others hear
const LEFT = "Kvitt-Session-Left";

export function session() {
  const dialog = document.getElementById("session");
  if (!dialog) return;
  const { address, user } = dialog.dataset;
  const said = dialog.querySelector("[role=status]");
  let { began } = dialog.dataset; // changes with each signing in, and the forms' tokens with it
  let ends, warned, timer;

  const show = (state) => {
    for (const part of dialog.querySelectorAll("[data-while]")) part.hidden = part.dataset.while !== state;
    dialog.dataset.state = state;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector(`.stack[data-while=${state}] :is(a, button)`).focus();
  };
  const over = (words = "") => {
    clearTimeout(timer);
    show("ended");
    said.textContent = words;
  };
  const look = () => {
    clearTimeout(timer);
    const left = (ends - Date.now()) / 1000;
    if (dialog.dataset.state === "ended") return;
    if (left <= 0) return over();
    if (left <= WARN && !warned) {
      warned = true;
      dialog.querySelector("[data-time]").textContent = new Date(ends).toLocaleTimeString("nb", { hour: "2-digit", minute: "2-digit" });
      show("ending");
    }
    timer = setTimeout(look, Math.min(left, left > WARN ? left - WARN : left) * 1000 + 50);
  };
  const lasts = (until) => {
    ends = until;
    // Near the end of the longest session nothing can be put off: no warning that comes at once again.
    warned = (ends - Date.now()) / 1000 <= WARN;
    delete dialog.dataset.state;
    if (dialog.open) dialog.close();
    look();
  };
  const learn = (left) => {
    const until = Date.now() + left * 1000;
    localStorage.setItem(SHARED, JSON.stringify([user, began, until]));
    lasts(until);
  };
  const goOn = async () => {
    said.textContent = "";
    const answer = await fetch(address, { redirect: "manual" }).catch(() => null);
    if (answer?.type === "opaqueredirect") return over(said.dataset.notYet); // it leads to signing in
    if (!answer?.ok) return over(said.dataset.silent);
    const told = await answer.json();
    if (told.user !== user) return over(said.dataset.another);
    began = told.began;
    for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = told.token;
    learn(told.left);
  };

  for (const button of dialog.querySelectorAll("[data-goes-on]")) button.addEventListener("click", goOn);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    if (dialog.dataset.state === "ending") goOn();
  });
  dialog.addEventListener("close", () => dialog.dataset.state && show(dialog.dataset.state)); // some browsers insist
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key !== SHARED || !newValue || dialog.dataset.state === "ended") return;
    const [whose, since, until] = JSON.parse(newValue);
    if (whose !== user) return;
    if (since !== began) goOn(); // signed in anew in another tab
    else if (until > ends) lasts(until);
  });
  // What a part of the page asked for was a sign of life, or was asked too late.
  document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
    if (xhr.status === 401) return over();
    const left = Number(xhr.getResponseHeader(LEFT));
    if (left && Date.now() + left * 1000 > ends + 5000) learn(left);
  });
  document.addEventListener("visibilitychange", () => document.hidden || look());
  learn(Number(dialog.dataset.left));
}
