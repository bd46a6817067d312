// Keyboard shortcuts: single keys only where the user has them on; Ctrl-K always.
import { choose } from "./lists.js";

const writing = (target) => target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
const rows = () => [...document.querySelectorAll("#list-form tbody > tr")];

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  for (const row of all) row.classList.toggle("at", row === next);
  (next.querySelector("th a, td a") ?? next.querySelector("input"))?.focus();
}

const here = () => document.activeElement?.closest("#list-form tbody > tr") ?? rows().find((row) => row.classList.contains("at"));

function take(range) {
  const box = here()?.querySelector("td.pick input:not(:disabled)");
  if (box) choose(box, range ? true : !box.checked, range);
}

function filter() {
  const drop = document.getElementById("filters");
  if (!drop) return;
  drop.open = true;
  drop.querySelector("input:not([type=hidden]), select")?.focus();
}

function open(id) {
  const dialog = document.getElementById(id);
  if (!dialog || document.querySelector("dialog[open]:not(#" + id + ")")) return; // one at a time
  if (!dialog.open) dialog.showModal();
  dialog?.querySelector("form[hx-get]")?.dispatchEvent(new Event("shown"));
  dialog?.querySelector("input")?.select();
}

const acts = {
  j: () => step(1),
  k: () => step(-1),
  x: () => take(false),
  X: () => take(true),
  a: () => document.querySelector("[data-key=a]:not([aria-disabled=true])")?.click(),
  f: filter,
  "?": () => open("keys"),
};

export function keys() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(opener.dataset.opens);
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && document.getElementById("palette")) {
      event.preventDefault();
      open("palette");
      return;
    }
    const on = document.body.dataset.shortcuts === "on";
    if (!on || event.ctrlKey || event.metaKey || event.altKey || writing(event.target) || document.querySelector("dialog[open]")) return;
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
