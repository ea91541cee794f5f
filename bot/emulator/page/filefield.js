// An option that takes a file from this device: chosen, dropped or pasted, with a small look at it.

import { h, icon } from "./dom.js";
import { local } from "./pictures.js";
import { size } from "./rich.js";

export class FileField {
  constructor(option, entry) {
    Object.assign(this, { option, entry, stored: null });
    this.chooser = h("input", { type: "file", hidden: true });
    this.face = h("button", {
      type: "button", class: "option-file", data: { option: option.name },
      "aria-label": `${option.name}: choose a file`, onclick: () => this.chooser.click(),
    });
    this.root = h("span", { class: "option" }, h("span", { class: "option-name" }, option.name), this.face, this.chooser);
    this.chooser.addEventListener("change", () => this.take(this.chooser.files[0]));
    this.face.addEventListener("focus", () => this.help(option.description));
    this.face.addEventListener("blur", () => entry.host.picker.hide());
    this.face.addEventListener("paste", (event) => this.take(event.clipboardData.files[0]));
    this.face.addEventListener("keydown", (event) => this.steer(event));
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files[0]);
    });
    this.draw("Choose a file");
  }

  draw(...words) {
    const { stored } = this;
    const look = stored?.content_type.startsWith("image/")
      ? h("img", { class: "option-look", src: local(stored.url), alt: "" })
      : icon(stored ? "file" : "plus");
    this.face.replaceChildren(look, ...words.map((each) => h("span", {}, each)));
  }

  async take(file) {
    if (!file) return;
    const { api, place, picker } = this.entry.host;
    this.stored = null;
    this.draw("Uploading…");
    try {
      this.stored = await api.upload(place().user, file);
      this.draw(this.stored.filename, size(this.stored.size));
      this.face.setAttribute("aria-label", `${this.option.name}: ${this.stored.filename}`);
      this.root.classList.remove("wrong");
      picker.hide();
      this.face.focus();
    } catch (error) {
      this.draw("Choose a file");
      this.complain(error.message);
    }
  }

  help(hint) {
    this.entry.host.picker.show({ title: this.option.name, hint, items: [], owner: this.face });
  }

  steer(event) {
    const { entry } = this;
    const keys = {
      Backspace: () => entry.remove(this),
      Escape: () => entry.host.cancel(""),
      ArrowLeft: () => entry.step(this, -1),
      ArrowRight: () => entry.step(this, 1),
      // Enter sends what is complete, and asks for a file before.
      Enter: () => (this.stored ? entry.submit() : this.chooser.click()),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  focus() {
    this.face.focus();
  }

  value() {
    return this.stored?.id ?? "";
  }

  set() {}

  complain(text) {
    this.root.classList.add("wrong");
    this.face.focus();
    this.help(text);
  }
}
