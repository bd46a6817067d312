// Warns before the session ends, and lets one go on where one was after signing in again.
const WARN = 120; // seconds before the end
const SHARED = "kvitt-session-ends"; // what one tab learns, the others hear

export function session() {
  const dialog = document.getElementById("session");
  if (!dialog) return;
  const { address, user } = dialog.dataset;
  const said = dialog.querySelector("[role=status]");
  let ends, warned, timer;

  const show = (state) => {
    for (const part of dialog.querySelectorAll("[data-while]")) part.hidden = part.dataset.while !== state;
    dialog.dataset.state = state;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector(`.stack[data-while=${state}] :is(a, button)`).focus();
  };
  const look = () => {
    clearTimeout(timer);
    const left = (ends - Date.now()) / 1000;
    if (left <= 0) return dialog.dataset.state === "ended" || show("ended");
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
    if (dialog.open) dialog.close();
    delete dialog.dataset.state;
    look();
  };
  const learn = (left) => {
    const until = Date.now() + left * 1000;
    localStorage.setItem(SHARED, JSON.stringify([user, until]));
    lasts(until);
  };
  const goOn = async () => {
    said.textContent = "";
    const answer = await fetch(address, { redirect: "manual" });
    if (!answer.ok) { // it leads to signing in
      said.textContent = said.dataset.notYet;
      return show("ended");
    }
    const told = await answer.json();
    if (told.user !== user) return (said.textContent = said.dataset.another);
    for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = told.token;
    learn(told.left);
  };

  for (const button of dialog.querySelectorAll("[data-goes-on]")) button.addEventListener("click", goOn);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    if (dialog.dataset.state === "ending") goOn();
  });
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key !== SHARED || !newValue || dialog.dataset.state === "ended") return;
    const [whose, until] = JSON.parse(newValue);
    if (whose === user && until > ends) lasts(until);
  });
  document.addEventListener("visibilitychange", () => document.hidden || look());
  learn(Number(dialog.dataset.left));
}
