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
  for (const panel of document.querySelectorAll("[popover]")) {
    panel.addEventListener("toggle", (event) => {
      if (event.newState === "open") panel.querySelector("input[type=search]")?.focus();
    });
    // What lies over the page must not hide what has the focus.
    panel.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !panel.contains(relatedTarget)) panel.hidePopover();
    });
  }
}
