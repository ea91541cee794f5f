// Making the page. What people wrote becomes text nodes, never HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value != null && value !== false) setProp(element, name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

function setProp(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name.startsWith("--")) element.style.setProperty(name, value);
  else element.setAttribute(name, value === true ? "" : value);
}

const ICONS = {
  draw: "M4 20l4-1L19 8a2.100 2.100 0 0 0-3-3L5 16l-1 4ZM14 7l3 3",
  wall: "M4 5h16v14H4zM4 15l4.500-4.500L13 15l3-3 4 4M15.500 9h.01",
  chart: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
  box: "M12 3 4 7v10l8 4 8-4V7l-8-4ZM4 7l8 4 8-4M12 11v10",
  key: "M16 14a5 5 0 1 0-4.700-3.300L4 18v2h3v-2h2v-2h2l2.300-2.300A5 5 0 0 0 16 14ZM16.500 8.500h.01",
  hook: "M9 17a4 4 0 1 1-4-4M9 17h6a4 4 0 1 0-1.500-7.500L11 5.500a3 3 0 1 1 4.500-1",
  shield: "M12 3 5 6v6c0 4.500 3 7.500 7 9 4-1.500 7-4.500 7-9V6l-7-3ZM9 12l2 2 4-4",
  heart: "M12 20S4 15 4 9.300A4.300 4.300 0 0 1 12 7a4.300 4.300 0 0 1 8 2.300C20 15 12 20 12 20Z",
  menu: "M4 6h16M4 12h16M4 18h16",
  close: "m6 6 12 12M18 6 6 18",
  warn: "M12 4 2.500 20h19L12 4ZM12 10v5M12 17.500v.5",
  tick: "m5 13 4.500 4.500L19 7",
  plus: "M12 5v14M5 12h14",
  left: "m15 5-7 7 7 7",
  right: "m9 5 7 7-7 7",
  save: "M12 4v11M7 10.500l5 5 5-5M5 20h14",
  vary: "M4 7h4l8 10h4M4 17h4l2.500-3M13.500 10 16 7h4M17.500 4.500 20 7l-2.500 2.500M17.500 14.500 20 17l-2.500 2.500",
  grow: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  again: "M20 11a8 8 0 1 0-2.300 6.300M20 4.500V11h-6.500",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  leave: "M10 5H5v14h5M14 8l4 4-4 4M18 12H9",
  eye: "M2 12s3.500-6.500 10-6.500S22 12 22 12s-3.500 6.500-10 6.500S2 12 2 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
};

export function icon(name) {
  return s("svg", { viewBox: "0 0 24 24", class: `icon ${name}`, "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

export function iconButton(name, label, onclick, props) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...props }, icon(name));
}

export function button(label, onclick, { kind = "", sign, ...props } = {}) {
  return h("button", { type: "button", class: `button ${kind}`, onclick, ...props }, sign && icon(sign), label);
}

export function empty(sign, title, words, ...more) {
  return h("div", { class: "empty" }, icon(sign), h("b", {}, title), h("p", {}, words), more);
}

// `heads`: names of columns, "" for one of buttons; `body` a tbody of `line`s. On a phone each line is a card.
export function table(heads, body) {
  const cells = heads.map((name) => h("th", { scope: "col" }, name || h("span", { class: "sr" }, "Actions")));
  return h("div", { class: "table-box" }, h("table", { class: "table" }, h("thead", {}, h("tr", {}, cells)), body));
}

export function line(heads, cells) {
  return h("tr", {}, cells.map((cell, place) => h("td", heads[place] ? { "data-label": heads[place] } : { class: "actions" }, cell)));
}

const TOLD_MS = 6000;

export function tell(text, { bad = false } = {}) {
  const note = h("div", { class: bad ? "toast bad" : "toast" }, icon(bad ? "warn" : "tick"), h("span", {}, text));
  (document.querySelector("dialog[open]") ?? document.body).append(byId("toasts")); // above what is on top
  byId("toasts").append(note);
  setTimeout(() => note.remove(), TOLD_MS);
}
