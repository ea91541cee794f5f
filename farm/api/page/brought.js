// Pictures that a prompt starts from: picked, dropped or pasted, and uploaded at once.

import { attempt } from "./acts.js";
import { ask } from "./api.js";
import { h, iconButton, tell } from "./dom.js";

const MOST = 5;

export class Brought {
  constructor(changed) {
    this.changed = changed;
    this.pictures = [];
    this.picker = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp", multiple: true, hidden: true, onchange: () => this.take(this.picker.files) });
    this.shown = h("div", { class: "brought", hidden: true });
    this.root = h("div", {}, this.picker, this.shown);
  }

  links() {
    return this.pictures.map((one) => one.link);
  }

  pick() {
    this.picker.value = "";
    this.picker.click();
  }

  listen(form) {
    const box = form.querySelector(".imagine-box");
    form.addEventListener("dragover", (event) => {
      event.preventDefault();
      box.classList.add("dropping");
    });
    form.addEventListener("dragleave", () => box.classList.remove("dropping"));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      box.classList.remove("dropping");
      this.take(event.dataTransfer.files);
    });
    form.addEventListener("paste", (event) => event.clipboardData.files.length && this.take(event.clipboardData.files));
  }

  async take(files) {
    for (const file of files) {
      if (this.pictures.length >= MOST) return tell(`${MOST} pictures are the most.`, { bad: true });
      const form = new FormData();
      form.append("file", file);
      const told = await attempt(() => ask("POST", "/v1/uploads", form));
      if (told) this.add({ link: told.url, look: URL.createObjectURL(file), name: file.name });
    }
    return undefined;
  }

  add(picture) {
    this.pictures.push(picture);
    this.draw();
  }

  drop(picture) {
    URL.revokeObjectURL(picture.look);
    this.pictures = this.pictures.filter((one) => one !== picture);
    this.draw();
  }

  empty() {
    this.pictures.forEach((one) => URL.revokeObjectURL(one.look));
    this.pictures = [];
    this.draw();
  }

  draw() {
    this.shown.replaceChildren(...this.pictures.map((one) =>
      h("figure", {}, h("img", { src: one.look, alt: one.name }), iconButton("close", `Leave ${one.name} out`, () => this.drop(one)))));
    this.shown.hidden = this.pictures.length === 0;
    this.changed();
  }
}
