// Building and updating the page. Text always becomes text nodes, never HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  setProps(element, props);
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

function setProps(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else if (value === true) element.setAttribute(name, "");
    else element.setAttribute(name, value);
  }
}

const ICONS = {
  hash: "M10 4 8 20M16 4l-2 16M4.5 9h16M3.5 15h16",
  again: "M20 11a8 8 0 1 0-2.300 6.300M20 4.500V11h-6.500",
  menu: "M4 6h16M4 12h16M4 18h16",
  people: "M8.5 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2 20c0-4 3-6.5 6.5-6.5S15 16 15 20M16 4.5a3.5 3.5 0 0 1 0 6.5M17.5 14c2.7.7 4.5 3 4.5 6",
  close: "m6 6 12 12M18 6 6 18",
  trash: "M4 7h16M9 7V4h6v3M6.500 7l1 13h9l1-13M10 11v5M14 11v5",
  eye: "M2 12s3.500-6.500 10-6.500S22 12 22 12s-3.500 6.500-10 6.500S2 12 2 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  down: "m6 9 6 6 6-6",
  left: "m15 5-7 7 7 7",
  right: "m9 5 7 7-7 7",
  out: "M9 5H5v14h14v-4M13 4h7v7M20 4l-9 9",
  swap: "M7 4 3 8l4 4M3 8h14M17 12l4 4-4 4M21 16H7",
  plus: "M12 5v14M5 12h14",
  apps: "M5 5h5v5H5zM14 5h5v5h-5zM5 14h5v5H5zM16.500 13.500v6M13.500 16.500h6",
  warn: "M12 4 2.500 20h19L12 4ZM12 10v5M12 17.500v.5",
  send: "M4 12 20 4l-5 16-3.500-6.500L4 12Z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  id: "M3 6h18v12H3zM7 10v4M11 10v4h1.500a2 2 0 0 0 0-4H11",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  lock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
  shop: "M5 9h14l-1 11H6L5 9ZM9 9V7a3 3 0 0 1 6 0v2",
  thread: "M6 3v10a4 4 0 0 0 4 4h9M15 13l4 4-4 4",
  globe: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
  reply: "M9 6 4 11l5 5M4 11h9c4 0 7 2.500 7 7",
  at: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM16 8v5.500c0 3 4 3 4-1.500a8 8 0 1 0-3.500 6.600",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// Make `parent` hold one element for each item, in order, reusing those it has.
// A view is {root, update(item)}; `views` maps keys to views and lives as long as `parent`.
export function keyed(parent, views, items, { key, make }) {
  const wanted = new Set(items.map(key));
  for (const [id, view] of views) {
    if (!wanted.has(id)) {
      view.root.remove();
      view.leave?.();
      views.delete(id);
    }
  }
  let cursor = parent.firstElementChild;
  for (const item of items) {
    let view = views.get(key(item));
    if (!view) views.set(key(item), (view = make(item)));
    view.update(item);
    if (view.root === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(view.root, cursor);
  }
}

// An element that is only filled again when what it shows has changed.
export class Slot {
  constructor(tag, className) {
    this.root = h(tag, { class: className, hidden: true });
    this.shown = undefined;
  }

  show(value, build) {
    const signature = JSON.stringify(value ?? null);
    if (signature === this.shown) return;
    this.shown = signature;
    const built = value == null || value === false ? [] : [build(value)].flat(Infinity);
    this.root.replaceChildren(...built.filter(Boolean));
    this.root.hidden = built.length === 0;
  }
}

export function toast(text) {
  const note = h("div", { class: "toast" }, icon("warn"), h("span", {}, text));
  byId("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}
