// The box for words: what is typed is coloured, checked by the farm while one types, and priced.

import { attempt, order } from "./acts.js";
import { post, Problem } from "./api.js";
import { Brought } from "./brought.js";
import { choices } from "./choices.js";
import { h, icon, iconButton, tell } from "./dom.js";
import { inks, slipSpan } from "./grammar.js";
import { Suggestions } from "./suggestions.js";
import { gpuTime, several } from "./words.js";

const CHECK_AFTER_MS = 350;

export class ImagineBox {
  constructor() {
    this.words = h("textarea", {
      id: "words", rows: 1, spellcheck: "true", autocapitalize: "none", placeholder: "Describe a picture…", "aria-label": "Prompt",
      "aria-describedby": "check", maxlength: 4000, oninput: () => this.typed(), onkeydown: (event) => this.keydown(event),
    });
    this.ink = h("div", { class: "ink", "aria-hidden": "true" });
    this.check = h("p", { class: "check number", id: "check", role: "status" });
    this.press = h("button", { class: "button primary", type: "submit" }, "Draw");
    this.brought = new Brought(() => this.typed());
    this.chips = h("div", { class: "chips" });
    this.suggestions = new Suggestions(this.words, () => this.typed());
    this.refill = () => this.fill(taken());
    this.root = this.form();
    this.slip = null;
  }

  form() {
    return h("form", { class: "imagine", onsubmit: (event) => { event.preventDefault(); this.draw(); } },
      this.brought.root,
      h("div", { class: "imagine-box" },
        iconButton("plus", "Bring pictures", () => this.brought.pick()),
        h("div", { class: "sheet-of-words" }, this.ink, this.words),
        this.press),
      this.suggestions.root,
      h("div", { class: "under" }, this.chips, this.check));
  }

  open() {
    window.addEventListener("words", this.refill);
    this.brought.listen(this.root);
    this.watcher = new IntersectionObserver(() => this.root.classList.toggle("stuck", this.root.parentElement.getBoundingClientRect().top < this.root.getBoundingClientRect().top), { threshold: [1] });
    this.watcher.observe(this.root);
    choices((names, value) => this.choose(names, value)).then((made) => {
      this.chips.replaceChildren(...made.map((one) => one.root));
      this.choices = made;
      this.fill(taken() || this.words.value);
    });
    if (matchMedia("(hover: hover)").matches) this.words.focus();
  }

  close() {
    window.removeEventListener("words", this.refill);
    clearTimeout(this.timer);
    this.aborter?.abort();
    this.watcher.disconnect();
  }

  fill(text) {
    this.words.value = text;
    this.typed();
    this.words.focus();
    this.words.setSelectionRange(text.length, text.length);
  }

  choose(names, change) {
    this.words.value = change(this.words.value, names);
    this.typed();
  }

  typed() {
    this.slip = null;
    this.paint();
    this.suggestions.offer();
    this.choices?.forEach((one) => one.follow(this.words.value));
    clearTimeout(this.timer);
    this.aborter?.abort();
    if (!this.words.value.trim() && !this.brought.links().length) return this.say("");
    this.timer = setTimeout(() => this.ask(), CHECK_AFTER_MS);
  }

  // A last line that is empty has height only with something on it.
  paint() {
    this.ink.replaceChildren(...(this.slip ? this.slipped() : colours(this.words.value)), "\u200b");
  }

  slipped() {
    const text = this.words.value;
    const [start, end] = this.slip;
    return [...colours(text.slice(0, start)), h("span", { class: "slip" }, text.slice(start, end)), ...colours(text.slice(end))];
  }

  async ask() {
    this.aborter = new AbortController();
    try {
      const draft = { prompt: this.words.value.trim(), pictures: this.brought.links().length };
      const told = await post("/v1/prompts/check", draft, { signal: this.aborter.signal });
      this.judge(told);
    } catch (error) {
      if (error.status === 429) this.say("");  // who types fast is checked at the end
      else if (error instanceof Problem) this.complain(error.message, error.told.position);
      else if (error.name !== "AbortError") throw error;
    }
  }

  judge(told) {
    if (!told.ok) return this.complain(told.error.detail, placeOf(told));
    const { price, recipe, notices } = told;
    const size = recipe ? `${recipe.images} of ${recipe.width} × ${recipe.height} · ` : "";
    return this.say(notices[0] ?? `${price.jobs > 1 ? `${several(price.jobs, "job")} · ` : ""}${size}at most ${gpuTime(price.price_ms)}`);
  }

  complain(sentence, position) {
    this.slip = position ? slipSpan(this.words.value, position) : null;
    this.paint();
    this.check.classList.add("bad");
    this.check.replaceChildren(icon("warn"), sentence);
    this.words.setAttribute("aria-invalid", "true");
  }

  say(sentence) {
    this.check.classList.remove("bad");
    this.check.replaceChildren(sentence);
    this.words.removeAttribute("aria-invalid");
  }

  body() {
    const images = this.brought.links();
    return images.length ? { prompt: this.words.value.trim(), images } : { prompt: this.words.value.trim() };
  }

  keydown(event) {
    if (this.suggestions.keydown(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.draw();
    }
  }

  async draw() {
    const body = this.body();
    if (!body.prompt && !body.images) return this.complain("Describe what shall be drawn.");
    const made = await attempt(() => order("/v1/jobs", body).catch((error) => this.refused(error)), this.press);
    if (!made) return undefined;
    made.notices.forEach((each) => tell(each));
    this.brought.empty();
    this.fill("");
    document.getElementById("view").scrollTop = 0;
    return made;
  }

  refused(error) {
    if (!(error instanceof Problem)) throw error;
    this.complain(error.message, error.told.position);
  }
}

// Where it is not told, it is where the parameter of that field is.
function placeOf({ error, parameters }) {
  return error.position ?? parameters.find((one) => one.field === error.field)?.position;
}

const colours = (text) => inks(text).map((one) => (one.kind === "words" ? one.text : h("span", { class: one.kind }, one.text)));

function taken() {
  const words = sessionStorage.getItem("pictor.words") ?? "";
  sessionStorage.removeItem("pictor.words");
  return words;
}
