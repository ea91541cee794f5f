// The sides of the page: channels on the left, people on the right, and the shade behind them on a phone.

import { byId, icon } from "./dom.js";

export function showSidebar(open) {
  byId("app").classList.toggle("show-sidebar", open);
  byId("menu").setAttribute("aria-expanded", String(open));
  byId("shade").hidden = !open && !byId("app").classList.contains("show-members");
}

function showMembers(open) {
  byId("app").classList.toggle("show-members", open);
  byId("app").classList.toggle("hide-members", !open);
  byId("toggle-members").setAttribute("aria-pressed", String(open));
  byId("shade").hidden = !(open && matchMedia("(max-width: 1000px)").matches);
}

export function setUpSides() {
  byId("menu").append(icon("menu"));
  byId("toggle-members").append(icon("people"));
  byId("menu").addEventListener("click", () => showSidebar(!byId("app").classList.contains("show-sidebar")));
  byId("toggle-members").addEventListener("click", () => showMembers(getComputedStyle(byId("members")).display === "none"));
  byId("shade").addEventListener("click", () => {
    showSidebar(false);
    if (matchMedia("(max-width: 1000px)").matches) showMembers(false);
  });
}
