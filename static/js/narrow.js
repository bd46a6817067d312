// A field that shows only the boxes of a list whose words hold what is written; without it all are shown.
export function narrow() {
  for (const field of document.querySelectorAll("[data-narrows]")) {
    const rows = [...document.getElementById(field.dataset.narrows).children];
    if (rows.length < 12) continue;
    field.hidden = false;
    const input = field.querySelector("input");
    input.addEventListener("input", () => {
      const wanted = input.value.toLocaleLowerCase("nb").split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLocaleLowerCase("nb").replaceAll("\u00a0", "");
        row.hidden = !wanted.every((word) => text.includes(word));
      }
    });
    field.querySelector("[data-ticks]")?.addEventListener("click", () => {
      for (const row of rows) if (!row.hidden) row.querySelector("input").checked = true;
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();  // it would send the form
    });
  }
}
