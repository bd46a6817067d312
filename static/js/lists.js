// Choosing rows: ranges with Shift, a whole page, and a bar that tells number and sum per currency.
const UNDIVIDED = ["JPY", "ISK"]; // shown without decimals, as the rows are
const money = (hundredths, currency) => {
  const sign = currency === "NOK" ? "kr" : currency;
  const digits = String(hundredths < 0n ? -hundredths : hundredths).padStart(3, "0");
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+(?!\d))/g, "\u00a0");
  const part = UNDIVIDED.includes(currency) ? "" : `,${digits.slice(-2)}`;
  return `${hundredths < 0n ? "−" : ""}${whole}${part}\u00a0${sign}`;
};

export const boxes = () => [...document.querySelectorAll("td.pick input:not(:disabled)")];

function sums(chosen) {
  const found = new Map();
  for (const box of chosen) {
    const words = box.dataset.sums.split(" ").filter(Boolean);
    for (let at = 0; at < words.length; at += 2) {
      found.set(words[at], (found.get(words[at]) ?? 0n) + BigInt(words[at + 1]));
    }
  }
  return [...found].sort().map(([currency, sum]) => money(sum, currency)).join(" + ");
}

function tell(bar, page) {
  const all = boxes();
  const chosen = all.filter((box) => box.checked);
  const said = bar.querySelector("[data-said]");
  const sum = sums(chosen);
  if (said) {
    const { none, one, many } = said.dataset;
    const count = chosen.length === 1 ? one : many.replace("{n}", chosen.length);
    said.textContent = chosen.length ? count + (sum ? `, ${sum}` : "") : none;
    for (const button of bar.querySelectorAll("button[formaction]")) {
      button.setAttribute("aria-disabled", String(!chosen.length));
      const label = button.querySelector("span");
      if (!button.dataset.says || !label) continue;
      button.dataset.rests ??= label.textContent;
      label.textContent = chosen.length ? button.dataset.says.replace("{n}", chosen.length).replace("{sum}", sum) : button.dataset.rests;
    }
  }
  if (page) {
    page.checked = all.length > 0 && chosen.length === all.length;
    page.indeterminate = chosen.length > 0 && !page.checked;
  }
}

let last = null;
export function choose(box, on, range) {
  const all = boxes();
  const from = all.indexOf(last);
  const to = all.indexOf(box);
  const reach = range && from >= 0 ? all.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
  for (const each of reach) each.checked = on;
  last = box;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

// What is done to single rows lies folded until one is chosen.
function unfold(event) {
  const box = event.target.closest("td.pick input");
  const fold = box?.checked && box.form?.querySelector("[data-for-chosen]");
  if (fold) fold.open = true;
}

export function lists() {
  document.addEventListener("change", unfold);
  const form = document.getElementById("list-form");
  const bar = form?.querySelector("[data-bar]");
  if (!bar) return;
  const page = form.querySelector("[data-choose-page]");
  page?.closest("[data-needs-script]").removeAttribute("hidden");
  form.addEventListener("click", (event) => {
    const box = event.target.closest("td.pick input");
    if (box) choose(box, box.checked, event.shiftKey);
  });
  form.addEventListener("change", (event) => {
    if (event.target === page) for (const box of boxes()) box.checked = page.checked;
    tell(bar, page);
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter?.getAttribute("aria-disabled") === "true") event.preventDefault();
  });
  window.addEventListener("pageshow", () => tell(bar, page)); // back: the browser keeps the boxes
}
