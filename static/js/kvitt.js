// Starts what makes pages quicker to use; each page works without any of it.
import { lists } from "./lists.js";
import { keys } from "./keys.js";
import { menus } from "./menus.js";
import { session } from "./session.js";
import { once } from "./once.js";
import { copy } from "./copy.js";
import { passkeys } from "./passkeys.js";
import { narrow } from "./narrow.js";

lists();
menus();
keys();
session();
once();
copy();
passkeys();
for (const button of document.querySelectorAll("[data-prints]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
narrow();
// Work that one may no longer follow: its page says why.
document.addEventListener("htmx:responseError", ({ detail }) => {
  if (detail.elt.id === "progress" && [403, 404].includes(detail.xhr.status)) location.reload();
});
