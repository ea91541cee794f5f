// A menu at a point, with submenus: roving focus, arrows, Escape; a sheet from below on narrow screens.

import { h, icon } from "./dom.js";

const MARGIN_PX = 8;
let layer = null;
let opener = null;

// items: [{label, icon?, picture?, danger?, run?, items?, note?}]; an item with `items` opens a submenu.
export function openMenu(event, label, items) {
  event.preventDefault();
  event.stopPropagation();
  closeMenu();
  opener = document.activeElement;
  const menu = list(label, items);
  layer = h("div", { class: "menu-layer" }, menu);
  layer.addEventListener("pointerdown", (press) => press.target === layer && closeMenu());
  layer.addEventListener("contextmenu", (press) => press.preventDefault());
  layer.addEventListener("keydown", steer);
  document.body.append(layer);
  place(menu, anchorOf(event));
  menu.querySelector("[role=menuitem]")?.focus();
}

export function closeMenu() {
  if (!layer) return;
  layer.remove();
  layer = null;
  if (opener?.isConnected) opener.focus({ preventScroll: true });
}

// Where the pointer was, or below the button that was pressed by keyboard or finger.
function anchorOf(event) {
  if (event.type === "contextmenu" && event.clientX) {
    return { left: event.clientX, right: event.clientX, top: event.clientY, bottom: event.clientY };
  }
  return event.currentTarget.getBoundingClientRect();
}

function list(label, items) {
  return h("ul", { class: "menu-list", role: "menu", "aria-label": label }, items.filter(Boolean).map(entry));
}

function entry(item) {
  if (item.note) return h("li", { class: "menu-note", role: "presentation" }, item.note);
  const sign = item.picture ? h("img", { src: item.picture, alt: "", width: 20, height: 20 }) : item.icon && icon(item.icon);
  const props = {
    role: "menuitem", tabindex: -1, class: item.danger ? "menu-item danger" : "menu-item",
    "aria-haspopup": item.items ? "menu" : null, "aria-expanded": item.items ? "false" : null,
  };
  const element = h("li", props, h("span", {}, item.label), item.items ? icon("right") : sign);
  if (item.items) {
    const sub = list(item.label, item.items);
    sub.hidden = true;
    element.append(sub);
    element.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && unfold(element));
    element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && fold(element));
  }
  element.addEventListener("pointermove", (event) => event.pointerType === "mouse" && focusOn(event, element));
  element.addEventListener("click", (event) => {
    event.stopPropagation();
    if (item.items) unfold(element, { enter: true });
    else {
      closeMenu();
      item.run?.();
    }
  });
  return element;
}

function focusOn(event, element) {
  if (event.target.closest("[role=menuitem]") === element && document.activeElement !== element) element.focus();
}

const subOf = (element) => element.querySelector(":scope > .menu-list");

function unfold(element, { enter = false } = {}) {
  const sub = subOf(element);
  sub.hidden = false;
  element.setAttribute("aria-expanded", "true");
  const box = element.getBoundingClientRect();
  place(sub, { left: box.right + 2, right: box.left - 2, top: box.top - 6, bottom: box.top - 6 });
  if (enter) sub.querySelector("[role=menuitem]")?.focus();
}

function fold(element) {
  subOf(element).hidden = true;
  element.setAttribute("aria-expanded", "false");
}

// Below and right of the anchor if there is room, else above and left of it.
function place(menu, anchor) {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const roomX = anchor.left + width + MARGIN_PX <= innerWidth;
  const roomY = anchor.bottom + height + MARGIN_PX <= innerHeight;
  const left = roomX ? anchor.left : Math.max(MARGIN_PX, anchor.right - width);
  const top = roomY ? anchor.bottom : Math.max(MARGIN_PX, Math.min(anchor.top, innerHeight - MARGIN_PX) - height);
  menu.style.setProperty("--left", `${left}px`);
  menu.style.setProperty("--top", `${top}px`);
}

function steer(event) {
  const here = document.activeElement.closest("[role=menuitem]");
  const siblings = [...(here?.parentElement ?? layer.firstElementChild).querySelectorAll(":scope > [role=menuitem]")];
  const at = siblings.indexOf(here);
  const outer = here?.parentElement.closest("[role=menuitem]");
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
  if (event.key in steps) siblings.at(steps[event.key] % siblings.length)?.focus();
  else if (event.key === "ArrowRight" && here?.ariaHasPopup) unfold(here, { enter: true });
  else if (event.key === "ArrowLeft" && outer) {
    fold(outer);
    outer.focus();
  } else if (event.key === "Enter" || event.key === " ") here?.click();
  else if (event.key === "Escape" || event.key === "Tab") closeMenu();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
