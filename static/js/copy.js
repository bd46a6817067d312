// Copies a text to the clipboard, and says so on the button; without scripts the text is selected by hand.
export function copy() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.hidden = false;
    const words = button.querySelector("span");
    const before = words.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      words.textContent = button.dataset.said;
      setTimeout(() => { words.textContent = before; }, 3000);
    });
  }
}
