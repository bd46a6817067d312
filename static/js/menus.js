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
  for (const panel of panels) {
    panel.addEventListener("toggle", (event) => {
      if (event.newState === "open") panel.querySelector("input[type=search]")?.focus();
    });
  }
}
