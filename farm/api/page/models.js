// What there is to draw with: models, and the LoRAs that bend them.

import { attempt, reuse } from "./acts.js";
import { ask, del, post } from "./api.js";
import { button, empty, h, tell } from "./dom.js";
import { may } from "./door.js";
import { confirmed } from "./confirm.js";
import { catalog } from "./shelf.js";
import { several } from "./words.js";

export function models(view) {
  const shelf = h("div", { class: "column stack" });
  view.append(shelf);
  draw(shelf);
}

async function draw(shelf) {
  const { models: all, loras } = await catalog({ anew: true });
  shelf.replaceChildren(
    all.length ? h("div", { class: "cards" }, all.map((one) => modelCard(one, shelf))) : empty("box", "No model", "The farm tells of none. Is it up?"),
    h("div", { class: "spread" }, h("h3", {}, "LoRAs"), may("upload") && uploader(shelf)),
    loras.length ? h("div", { class: "cards" }, loras.map((one) => loraCard(one, shelf))) : h("p", { class: "note" }, "None yet. A LoRA is a small .safetensors file that gives a model another hand."));
}

function modelCard(one, shelf) {
  const { warm } = one.warmth;
  return h("article", { class: "card stack tight" },
    h("div", { class: "spread" }, h("h3", {}, one.title), warmth(warm)),
    h("div", { class: "chips" }, [one.family, one.licence, one.default && "usual", `${one.native.join(" × ")} pixels`].filter(Boolean).map((each) => h("span", { class: "tag" }, each))),
    !one.allowed && h("p", { class: "note" }, one.denied_by),
    h("div", { class: "row" }, button("Draw with it", () => reuse(` --model ${one.id}`), { sign: "draw", disabled: !one.allowed }),
      may("admin") && button(warm ? "Unload" : "Load", (event) => load(one, warm ? "unload" : "load", event.currentTarget, shelf), { kind: "quiet" })));
}

function warmth(warm) {
  return h("span", { class: warm ? "tag good" : "tag" }, h("i", { class: "light" }), warm ? `warm on ${several(warm, "GPU")}` : "cold");
}

async function load(one, verb, pressed, shelf) {
  const told = await attempt(() => post(`/v1/models/${encodeURIComponent(one.id)}/${verb}`), pressed);
  if (!told) return;
  tell(verb === "load" ? "The workers are told to load it." : "The workers are told to let it go.");
  draw(shelf);
}

function loraCard(one, shelf) {
  return h("article", { class: "card stack tight" },
    h("div", { class: "spread" }, h("h3", {}, one.title), one.state && h("span", { class: "tag" }, one.state)),
    h("div", { class: "chips" }, [one.family, one.licence].filter(Boolean).map((each) => h("span", { class: "tag" }, each))),
    h("div", { class: "row" }, button("Draw with it", () => reuse(` --lora ${one.name}:0.8`), { sign: "draw" }),
      one.mine && button("Delete", () => remove(one, shelf), { kind: "quiet" })));
}

async function remove(one, shelf) {
  if (!(await confirmed(`Delete ${one.title}?`, "What was drawn with it stays.", { yes: "Delete", kind: "danger" }))) return;
  if ((await attempt(() => del(`/v1/loras/${one.id}`))) !== undefined) draw(shelf);
}

function uploader(shelf) {
  const file = h("input", { type: "file", accept: ".safetensors", hidden: true, onchange: () => bring(file.files[0], press, shelf) });
  const press = button("Upload a LoRA", () => file.click(), { sign: "plus" });
  return h("div", {}, file, press);
}

async function bring(file, pressed, shelf) {
  const form = new FormData();
  form.append("file", file);
  form.append("name", file.name.replace(/\.safetensors$/i, "").toLowerCase());
  if (await attempt(() => ask("POST", "/v1/loras", form), pressed)) {
    tell("It is checked, and yours to draw with.");
    draw(shelf);
  }
}
