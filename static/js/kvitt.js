// Starts what makes pages quicker to use; each page works without any of it.
import { lists } from "./lists.js";
import { keys } from "./keys.js";
import { menus } from "./menus.js";
import { session } from "./session.js";
import { once } from "./once.js";

lists();
menus();
keys();
session();
once();
