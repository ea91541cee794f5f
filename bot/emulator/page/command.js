// A slash command being filled in: its name, and a pill for each option.

import { h, icon, toast } from "./dom.js";
import { Field } from "./field.js";
import { FileField } from "./filefield.js";

const SUBCOMMAND = 1;
const GROUP = 2;
const FILE = 11;

// Every command that can be run, with its path ("settings speed") and its options.
export function leaves(commands) {
  const found = [];
  const walk = (node, path) => {
    const options = node.options ?? [];
    const nested = options.filter((o) => o.type === SUBCOMMAND || o.type === GROUP);
    if (nested.length) nested.forEach((child) => walk(child, [...path, child.name]));
    else found.push({ path: path.join(" "), description: node.description, options });
  };
  for (const command of commands) if (command.type === 1) walk(command, [command.name]);
  return found.sort((a, b) => a.path.localeCompare(b.path));
}

export class CommandEntry {
  // `host` offers: picker, api, place(), people, channels, roles, done(), cancel(text).
  constructor(leaf, host) {
    Object.assign(this, { leaf, host, fields: [] });
    this.name = h("span", { class: "command-name" }, `/${leaf.path}`);
    this.pills = h("span", { class: "pills" });
    this.more = h("button", { type: "button", class: "more", onclick: () => this.offer(), onfocus: () => this.offer() });
    this.more.addEventListener("keydown", (event) => this.steerMore(event));
    this.root = h("div", { class: "box command", role: "group", "aria-label": `Command /${leaf.path}` },
      this.name, this.pills, this.more);
    for (const option of leaf.options) if (option.required) this.add(option);
    this.count();
  }

  start(text = "") {
    if (text) this.fill(text);
    if (this.fields.length) this.fields[0].focus();
    else if (this.unused().length) this.more.focus();
    else this.root.querySelector("button")?.focus();
  }

  // Text after the command's name belongs to its first text option.
  fill(text) {
    const option = this.leaf.options.find((o) => o.type === 3) ?? this.leaf.options[0];
    if (!option) return;
    (this.fields.find((f) => f.option === option) ?? this.add(option)).set(text.trim());
  }

  add(option) {
    const field = option.type === FILE ? new FileField(option, this) : new Field(option, this);
    this.fields.push(field);
    this.pills.append(field.root);
    this.count();
    return field;
  }

  remove(field) {
    const place = this.fields.indexOf(field);
    if (field.option.required) {
      if (place === 0) this.host.cancel(`/${this.leaf.path}`);
      else this.fields[place - 1].focus();
      return;
    }
    this.fields.splice(place, 1);
    field.root.remove();
    this.count();
    if (this.fields.length) this.fields.at(Math.max(0, place - 1)).focus();
    else this.more.focus();
  }

  unused() {
    const used = new Set(this.fields.map((f) => f.option));
    return this.leaf.options.filter((option) => !used.has(option));
  }

  count() {
    const left = this.unused().length;
    this.more.hidden = left === 0;
    this.more.replaceChildren(icon("plus"), `${left} optional`);
  }

  offer() {
    const items = this.unused().map((option) => ({ option, content: optionRow(option) }));
    this.host.picker.show({
      title: "Optional", hint: "Enter sends, ↓ chooses", items, start: -1, owner: this.more, pick: ({ option }) => this.add(option).focus(),
    });
  }

  steerMore(event) {
    const { picker } = this.host;
    if (event.key === "ArrowDown") picker.move(1);
    else if (event.key === "ArrowUp") picker.move(-1);
    else if (event.key === "Enter") picker.choose() || this.submit();
    else if (event.key === "Tab" && !event.shiftKey && picker.open) picker.choose(Math.max(0, picker.active));
    else if (event.key === "Backspace" || (event.key === "Tab" && event.shiftKey)) this.back();
    else if (event.key === "Escape") this.host.cancel("");
    else return;
    event.preventDefault();
  }

  back() {
    if (this.fields.length) this.fields.at(-1).focus();
    else this.host.cancel(`/${this.leaf.path}`);
  }

  step(field, by) {
    const place = this.fields.indexOf(field) + by;
    if (place < 0) return;
    if (place < this.fields.length) this.fields[place].focus();
    else if (!this.more.hidden) this.more.focus();
  }

  values() {
    const filled = this.fields.map((f) => [f.option.name, f.value()]);
    return Object.fromEntries(filled.filter(([, value]) => value !== "" && value != null));
  }

  async submit() {
    const missing = this.fields.find((f) => f.option.required && (f.value() ?? "") === "");
    if (missing) {
      missing.complain("This option is required. Specify a value.");
      return;
    }
    const { api, place, done } = this.host;
    try {
      const sent = api.slash({ ...place(), command: this.leaf.path, options: this.values() });
      this.root.classList.add("sending");
      await sent;
      done();
    } catch (error) {
      this.root.classList.remove("sending");
      toast(error.message);
    }
  }
}

export function optionRow(option) {
  return h("span", { class: "popup-option" }, h("b", {}, option.name), h("span", {}, option.description));
}
