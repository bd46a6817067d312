// Starts what makes pages quicker to use; each page works without any of it.
import { lists } from "./lists.js";
import { keys } from "./keys.js";
import { menus } from "./menus.js";
import { session } from "./session.js";
import { once } from "./once.js";
import { copy } from "./copy.js";
import { narrow } from "./narrow.js";

lists();
menus();
keys();
session();
once();
copy();
narrow();
// Work that one may no longer follow: its page says why.
document.addEventListener("htmx:responseError", ({ detail }) => {
  if (detail.elt.id === "progress" && [403, 404].includes(detail.xhr.status)) location.reload();
});
