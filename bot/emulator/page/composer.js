// The message box: plain words, or a slash command once one is chosen.

import { CommandEntry, leaves } from "./command.js";
import { byId, h, icon, toast } from "./dom.js";
import { Picker } from "./picker.js";

const TYPING_EVERY_MS = 8000;
const MOST = 2000;

export class Composer {
  // `app` offers: api, place(), commands(), channelName(), people, channels, roles, sent().
  constructor(app) {
    this.app = app;
    this.picker = new Picker();
    this.form = byId("composer");
    this.entry = null;
    this.typed = 0;
    this.area = h("textarea", {
      class: "words-input", rows: 1, maxlength: MOST, id: "words", role: "combobox",
      "aria-expanded": "false", "aria-controls": "popup-list", "aria-autocomplete": "list", enterkeyhint: "send",
    });
    this.box = h("div", { class: "box" }, this.area);
    this.send = h("button", { type: "submit", class: "icon-button send", "aria-label": "Send" }, icon("send"));
    this.form.replaceChildren(this.slashButton(), this.box, this.send);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.area.addEventListener("input", () => this.changed());
    this.area.addEventListener("keydown", (event) => this.steer(event));
    this.area.addEventListener("blur", () => this.picker.hide());
    this.area.addEventListener("focus", () => this.suggest());
    this.rename();
  }

  slashButton() {
    const open = () => {
      this.reset("/");
      this.suggest();
    };
    return h("button", { type: "button", class: "icon-button slash", "aria-label": "Use a command", onclick: open }, icon("apps"));
  }

  rename() {
    const label = `Message ${this.app.channelName()}`;
    this.area.placeholder = label;
    this.area.setAttribute("aria-label", label);
  }

  host() {
    const { api, place, people, channels, roles } = this.app;
    return {
      api, place, people, channels, roles, picker: this.picker,
      done: () => {
        this.reset("");
        this.app.sent();
      },
      cancel: (text) => this.reset(text),
    };
  }

  reset(text) {
    this.picker.hide();
    this.entry?.root.replaceWith(this.box);
    this.entry = null;
    this.area.value = text;
    this.grow();
    this.area.focus();
    this.suggest();
  }

  focus() {
    if (this.entry) this.entry.start();
    else this.area.focus();
  }

  // Leave a command behind without taking the focus, as when the person changes.
  drop() {
    this.picker.hide();
    this.entry?.root.replaceWith(this.box);
    this.entry = null;
    this.area.value = "";
    this.grow();
  }

  changed() {
    this.grow();
    const whole = this.named(this.area.value);
    if (whole) this.choose(whole.leaf, whole.rest);
    else this.suggest();
    this.tellTyping();
  }

  // "/imagine a boat" names its command by itself.
  named(text) {
    if (!text.startsWith("/")) return null;
    for (const leaf of leaves(this.app.commands())) {
      const start = `/${leaf.path} `;
      if (text.startsWith(start)) return { leaf, rest: text.slice(start.length) };
    }
    return null;
  }

  suggest() {
    const text = this.area.value;
    if (this.entry || !text.startsWith("/") || text.includes("\n")) return this.picker.hide();
    const typed = text.slice(1).toLowerCase();
    const all = leaves(this.app.commands());
    const first = all.filter((leaf) => leaf.path.startsWith(typed));
    const rest = all.filter((leaf) => !leaf.path.startsWith(typed) && leaf.path.includes(typed));
    const items = [...first, ...rest].map((leaf) => ({ leaf, content: commandRow(leaf) }));
    if (!items.length) return this.picker.hide();
    const title = typed ? `Commands matching /${typed}` : "Commands";
    return this.picker.show({ title, items, owner: this.area, pick: ({ leaf }) => this.choose(leaf) });
  }

  choose(leaf, rest = "") {
    this.picker.hide();
    this.area.value = "";
    this.entry = new CommandEntry(leaf, this.host());
    this.box.replaceWith(this.entry.root);
    if (leaf.options.length) this.entry.start(rest);
    else this.send.focus();
  }

  steer(event) {
    const { picker } = this;
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      if (!(picker.open && picker.choose())) this.submit();
    } else if (event.key === "Tab" && picker.open && !event.shiftKey) picker.choose();
    else if (event.key === "ArrowDown" && picker.open) picker.move(1);
    else if (event.key === "ArrowUp" && picker.open) picker.move(-1);
    else if (event.key === "Escape" && picker.open) picker.hide();
    else return;
    event.preventDefault();
  }

  async submit() {
    if (this.entry) return this.entry.submit();
    const content = this.area.value.trim();
    if (!content) return this.area.focus();
    this.area.value = "";
    this.grow();
    try {
      await this.app.api.say({ ...this.app.place(), content });
      this.app.sent();
    } catch (error) {
      this.area.value = content;
      toast(error.message);
    }
    return undefined;
  }

  tellTyping() {
    if (!this.area.value || this.area.value.startsWith("/") || Date.now() - this.typed < TYPING_EVERY_MS) return;
    this.typed = Date.now();
    const { user, channel } = this.app.place();
    this.app.api.typing(user, channel).catch(() => {});
  }

  grow() {
    this.area.style.setProperty("height", "auto");
    this.area.style.setProperty("height", `${this.area.scrollHeight}px`);
  }
}

function commandRow(leaf) {
  const options = leaf.options.map((o) => h("span", { class: o.required ? "tag" : "tag optional" }, o.name));
  return [
    h("img", { src: "/page/pictor.svg", alt: "", width: 32, height: 32 }),
    h("span", { class: "popup-words" },
      h("span", { class: "popup-name" }, h("b", {}, `/${leaf.path}`), options),
      h("span", { class: "popup-description" }, leaf.description)),
    h("span", { class: "popup-app" }, "Pictor"),
  ];
}
