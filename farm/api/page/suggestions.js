// Parameters offered while a word begins with two hyphens.

import { h } from "./dom.js";
import { parameterList } from "./shelf.js";

const BEGUN = /(?:^|\s)(--[a-z]*)$/i;

export class Suggestions {
  constructor(words, changed) {
    Object.assign(this, { words, changed, shown: [], place: 0 });
    this.root = h("ul", { class: "suggest", id: "suggest", role: "listbox", "aria-label": "Parameters", hidden: true });
    words.setAttribute("aria-controls", "suggest");
    words.setAttribute("aria-autocomplete", "list");
    words.addEventListener("blur", () => this.hide());
  }

  begun() {
    if (this.words.selectionStart !== this.words.selectionEnd) return null;
    return BEGUN.exec(this.words.value.slice(0, this.words.selectionStart))?.[1] ?? null;
  }

  async offer() {
    const begun = this.begun();
    if (begun === null) return this.hide();
    const known = await parameterList();
    if (this.begun() !== begun) return undefined;
    const fitting = known.filter((one) => [one.typed, ...one.names.map((name) => `--${name}`)].some((name) => name.startsWith(begun.toLowerCase())) && one.typed !== begun);
    this.shown = fitting;
    this.place = 0;
    return this.draw();
  }

  draw() {
    this.root.hidden = this.shown.length === 0;
    this.root.replaceChildren(...this.shown.map((one, place) =>
      h("li", { role: "option", id: `suggest-${place}`, "aria-selected": String(place === this.place), onmousedown: (event) => { event.preventDefault(); this.take(one); } },
        h("b", {}, one.example), h("span", { title: one.help }, one.help))));
    this.words.setAttribute("aria-activedescendant", this.root.hidden ? "" : `suggest-${this.place}`);
    this.root.children[this.place]?.scrollIntoView({ block: "nearest" });
  }

  hide() {
    this.shown = [];
    this.draw();
  }

  take(one) {
    const end = this.words.selectionStart;
    const start = end - this.begun().length;
    const text = one.kind === "flag" ? one.typed : `${one.typed} `;
    this.words.setRangeText(text, start, end, "end");
    this.hide();
    this.changed();
  }

  // True where the key was meant for the list.
  keydown(event) {
    if (this.root.hidden) return false;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) this.place = (this.place + by + this.shown.length) % this.shown.length;
    else if (event.key === "Tab" || event.key === "Enter") this.take(this.shown[this.place]);
    else if (event.key === "Escape") this.hide();
    else return false;
    event.preventDefault();
    if (by) this.draw();
    return true;
  }
}
