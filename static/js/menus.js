// Drop-downs that close when one goes elsewhere, and panels that put the cursor where one writes.
export function menus() {
  const drops = [...document.querySelectorAll("details.drop")];
  const close = (but) => drops.forEach((drop) => { if (drop !== but) drop.open = false; });
  for (const event of ["click", "focusin"]) {
    document.addEventListener(event, ({ target }) => close(target.closest("details.drop")));
  }
  document.addEventListener("keydown", (event) => {
    const open = drops.find((drop) => drop.open);
    if (event.key !== "Escape" || !open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });
  const panels = [...document.querySelectorAll("[popover]")];
  // By Tab one leaves a panel for what it may lie over; a press on its own button closes it anyway.
  let tabbed = false;
  document.addEventListener("keydown", ({ key }) => { tabbed = key === "Tab"; }, true);
  document.addEventListener("pointerdown", () => { tabbed = false; }, true);
  document.addEventListener("focusin", ({ target }) => {
    for (const panel of panels) {
      if (tabbed && panel.matches(":popover-open") && !panel.contains(target)) panel.hidePopover();
    }
  });
  for (const finder of document.querySelectorAll(".palette, .companies-over")) hits(finder);
  for (const panel of panels) {
    panel.addEventListener("toggle", (event) => {
      if (event.newState === "open") panel.querySelector("input[type=search]")?.focus();
    });
  }
}

// Arrows go through what was found; Enter opens the first of it, once it is of what stands there now.
function hits(finder) {
  const field = finder.querySelector("input[type=search]");
  const links = () => [...finder.querySelectorAll(".choices a")];
  let found, wanted = false;
  const first = () => {
    wanted = found !== field.value;
    if (!wanted) links()[0]?.click();
  };
  finder.addEventListener("htmx:beforeRequest", ({ target }) => { if (target.contains(field)) finder.dataset.asked = field.value; });
  finder.addEventListener("htmx:afterSettle", () => {
    found = finder.dataset.asked ?? "";
    if (wanted) first();
  });
  finder.addEventListener("keydown", (event) => {
    const at = links().indexOf(document.activeElement);
    if (event.key === "Enter" && event.target === field && field.value.trim()) {
      event.preventDefault();
      first();
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const to = at + (event.key === "ArrowDown" ? 1 : -1);
    (to < 0 ? field : links()[to])?.focus();
  });
}
