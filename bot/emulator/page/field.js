// One option's pill: its name and what is typed, with choices and completion.

import { h } from "./dom.js";

const INTEGER = 4;
const BOOLEAN = 5;
const USER = 6;
const CHANNEL = 7;
const ROLE = 8;
const MENTIONABLE = 9;
const NUMBER = 10;
const COMPLETE_AFTER_MS = 120;

const person = (p) => ({ name: p.name, value: p.user.id });
const role = (r) => ({ name: `@${r.name}`, value: r.id });

export class Field {
  constructor(option, entry) {
    Object.assign(this, { option, entry, picked: null, asked: 0 });
    this.input = h("span", {
      class: "option-input", contenteditable: "plaintext-only", role: "combobox", tabindex: 0,
      "aria-label": `${option.name}: ${option.description}`, "aria-expanded": "false",
      "aria-controls": "popup-list", "aria-autocomplete": "list", "aria-required": String(Boolean(option.required)),
      spellcheck: "false",
      inputmode: option.type === INTEGER ? "numeric" : option.type === NUMBER ? "decimal" : "text",
      enterkeyhint: "send", data: { option: option.name },
    });
    // Browsers that do not know "plaintext-only" edit too; what is pasted is flattened either way.
    if (this.input.contentEditable !== "plaintext-only") this.input.contentEditable = "true";
    this.input.addEventListener("paste", (event) => {
      event.preventDefault();
      document.execCommand("insertText", false, event.clipboardData.getData("text/plain").replace(/\s+/g, " "));
    });
    this.root = h("span", { class: "option" }, h("span", { class: "option-name" }, option.name), this.input);
    this.root.addEventListener("pointerdown", (event) => {
      if (event.target !== this.input) {
        event.preventDefault();
        this.focus();
      }
    });
    this.input.addEventListener("focus", () => this.help());
    this.input.addEventListener("blur", () => this.entry.host.picker.hide());
    this.input.addEventListener("input", () => this.changed());
    this.input.addEventListener("keydown", (event) => this.steer(event));
  }

  get text() {
    return this.input.textContent.replace(/[\s\u00a0]+/g, " ");
  }

  set(text) {
    this.picked = null;
    this.input.textContent = text;
  }

  focus() {
    this.input.focus();
    const selection = getSelection();
    selection.selectAllChildren(this.input);
    selection.collapseToEnd();
  }

  changed() {
    this.picked = null;
    if (!this.text.trim()) this.input.replaceChildren();
    this.root.classList.remove("wrong");
    this.help();
  }

  // What will be sent: a picked choice's value, or what was typed.
  value() {
    const text = this.text.trim();
    if (this.picked) return this.picked.value;
    const known = this.known();
    const exact = known?.find((choice) => choice.name.toLowerCase() === text.toLowerCase());
    return exact ? exact.value : text;
  }

  // Choices that need no question to the bot, or null.
  known() {
    const { people, channels, roles } = this.entry.host;
    if (this.option.choices?.length) return this.option.choices;
    switch (this.option.type) {
      case BOOLEAN: return [{ name: "True", value: true }, { name: "False", value: false }];
      case USER: return people().map(person);
      case MENTIONABLE: return [...people().map(person), ...roles().map(role)];
      case CHANNEL: return channels().map((c) => ({ name: `#${c.name}`, value: c.id }));
      case ROLE: return roles().map(role);
      default: return null;
    }
  }

  help() {
    if (this.option.autocomplete) return this.complete();
    const typed = this.picked ? "" : this.text.trim().toLowerCase();
    const known = this.known();
    return this.offer((known ?? []).filter((c) => c.name.toLowerCase().includes(typed)), { start: typed ? 0 : -1 });
  }

  complete() {
    const turn = ++this.asked;
    clearTimeout(this.timer);
    if (!this.entry.host.picker.open) this.offer([], { hint: "Loading options…" });
    this.timer = setTimeout(async () => {
      const { api, place } = this.entry.host;
      const options = { ...this.entry.values(), [this.option.name]: this.text.trim() };
      const wish = { ...place(), command: this.entry.leaf.path, options, focused: this.option.name };
      const answer = await api.autocomplete(wish).catch((error) => ({ choices: [], hint: error.message }));
      if (turn !== this.asked || document.activeElement !== this.input) return;
      const none = answer.answered === false ? "Loading options failed" : "No options match your search";
      this.offer(answer.choices, { hint: answer.choices.length ? "" : (answer.hint ?? none), start: -1 });
    }, COMPLETE_AFTER_MS);
  }

  offer(choices, { hint = "", start = -1 } = {}) {
    const items = choices.map((choice) => ({ choice, content: h("span", { class: "popup-choice" }, choice.name) }));
    this.entry.host.picker.show({
      title: this.option.name, hint: hint || this.option.description, items, start, owner: this.input,
      pick: ({ choice }) => this.take(choice),
    });
  }

  take(choice) {
    this.input.textContent = choice.name;
    this.picked = choice;
    this.asked += 1;
    this.focus();
    this.entry.host.picker.hide();
    this.entry.step(this, 1);
  }

  complain(text) {
    this.root.classList.add("wrong");
    this.focus();
    this.entry.host.picker.show({ title: this.option.name, hint: text, items: [], owner: this.input });
  }

  steer(event) {
    const act = this.keys()[event.key];
    if (act && act(event) !== false) event.preventDefault();
  }

  keys() {
    const { entry } = this;
    const { picker } = entry.host;
    const marked = () => picker.open && picker.active >= 0;
    return {
      ArrowDown: () => picker.move(1),
      ArrowUp: () => picker.move(-1),
      ArrowLeft: () => (caretAt(this.input) === 0 ? entry.step(this, -1) : false),
      ArrowRight: () => (caretAt(this.input) === this.input.textContent.length ? entry.step(this, 1) : false),
      Enter: () => (marked() ? picker.choose() : entry.submit()),
      Tab: (event) => {
        if (event.shiftKey) entry.step(this, -1);
        else if (marked()) picker.choose();
        else entry.step(this, 1);
      },
      Escape: () => (marked() ? picker.hide() : entry.host.cancel("")),
      Backspace: () => (this.input.textContent === "" ? entry.remove(this) : false),
    };
  }
}

function caretAt(element) {
  const selection = getSelection();
  if (!selection.isCollapsed || !element.contains(selection.anchorNode)) return -1;
  return selection.anchorNode === element ? (selection.anchorOffset ? element.textContent.length : 0) : selection.anchorOffset;
}
