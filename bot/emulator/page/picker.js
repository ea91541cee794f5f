// The list above the message box: commands, options, choices. Steered from the box's keyboard.

import { byId, h } from "./dom.js";

export class Picker {
  constructor() {
    this.root = byId("popup");
    this.items = [];
    this.active = -1;
    this.root.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  get open() {
    return !this.root.hidden && this.items.length > 0;
  }

  // items: [{id?, content: nodes, ...}]; without items only the title is shown.
  show({ title, hint, items, pick, start = 0, owner }) {
    Object.assign(this, { items, pick, owner });
    this.active = items.length ? Math.min(Math.max(start, -1), items.length - 1) : -1;
    const list = h("ul", { role: "listbox", id: "popup-list", "aria-label": title },
      items.map((item, index) => this.row(item, index)));
    const head = h("div", { class: "popup-head" }, h("strong", {}, title), hint && h("span", {}, hint));
    this.root.replaceChildren(head, list);
    this.root.hidden = false;
    this.mark();
  }

  row(item, index) {
    const props = { role: "option", id: `popup-${index}`, class: "popup-row" };
    const choose = () => this.choose(index);
    const point = () => {
      this.active = index;
      this.mark({ scroll: false });
    };
    return h("li", { ...props, onclick: choose, onpointermove: point }, item.content);
  }

  mark({ scroll = true } = {}) {
    const rows = [...this.root.querySelectorAll(".popup-row")];
    rows.forEach((row, index) => row.setAttribute("aria-selected", String(index === this.active)));
    if (scroll) rows[this.active]?.scrollIntoView({ block: "nearest" });
    this.owner?.setAttribute("aria-expanded", "true");
    if (rows[this.active]) this.owner?.setAttribute("aria-activedescendant", `popup-${this.active}`);
    else this.owner?.removeAttribute("aria-activedescendant");
  }

  move(by) {
    if (!this.items.length) return;
    const from = this.active < 0 && by < 0 ? 0 : this.active;
    this.active = (from + by + this.items.length) % this.items.length;
    this.mark();
  }

  choose(index = this.active) {
    const item = this.items[index];
    if (!item) return false;
    this.pick(item);
    return true;
  }

  hide() {
    this.owner?.setAttribute("aria-expanded", "false");
    this.owner?.removeAttribute("aria-activedescendant");
    this.root.hidden = true;
    this.items = [];
  }
}
