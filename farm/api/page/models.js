// What there is to draw with: models, and the LoRAs that bend them.

import { attempt, reuse } from "./acts.js";
import { ask, del, post } from "./api.js";
import { button, empty, h, tell } from "./dom.js";
import { may } from "./door.js";
import { confirmed, openModal } from "./confirm.js";
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
    h("div", { class: "spread" }, h("h3", {}, "LoRAs"), may("upload") && all.length > 0 && button("Upload a LoRA", () => bring(all, shelf), { sign: "plus" })),
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

const STATES = { own: "yours alone", waiting: "waits for a moderator", public: "everybody's" };

function loraCard(one, shelf) {
  return h("article", { class: "card stack tight" },
    h("div", { class: "spread" }, h("h3", {}, one.title), one.state && h("span", { class: "tag" }, STATES[one.state])),
    h("div", { class: "chips" }, [one.family, one.licence, one.trigger && `says “${one.trigger}”`].filter(Boolean).map((each) => h("span", { class: "tag" }, each))),
    h("div", { class: "row" }, button("Draw with it", () => reuse(` --lora ${one.name}:0.8`), { sign: "draw" }),
      one.mine && button("Delete", () => remove(one, shelf), { kind: "quiet" })));
}

async function remove(one, shelf) {
  if (!(await confirmed(`Delete ${one.title}?`, "What was drawn with it stays.", { yes: "Delete", kind: "danger" }))) return;
  if ((await attempt(() => del(`/v1/loras/${one.id}`))) !== undefined) draw(shelf);
}

// The file is tried on the model before it is kept: what does not fit is told beside the button.
function bring(all, shelf) {
  const name = field("Name", { name: "name", required: true, pattern: "[a-z0-9][a-z0-9_-]*", placeholder: "ink-2" });
  const file = field("File", { name: "file", type: "file", accept: ".safetensors", required: true });
  const press = h("button", { class: "button primary", type: "submit" }, "Upload");
  const submit = async (event) => {
    event.preventDefault();
    if (!(await attempt(() => ask("POST", "/v1/loras", new FormData(form)), press))) return;
    box.close();
    tell("It fits, and is yours to draw with.");
    draw(shelf);
  };
  const form = h("form", { onsubmit: submit }, file, name,
    h("label", { class: "field" }, h("span", {}, "Model"), h("select", { class: "input", name: "checkpoint" }, all.map((one) => h("option", { value: one.id }, one.title)))),
    field("Words it answers to", { name: "trigger", maxlength: 200 }), field("Licence", { name: "licence", maxlength: 200, placeholder: "CC-BY-4.0" }),
    h("label", { class: "tick" }, h("input", { type: "checkbox", name: "visibility", value: "public" }), "Let others use it, once a moderator agrees"),
    h("footer", {}, press));
  const box = openModal("Upload a LoRA", form);
}

const field = (title, props) => h("label", { class: "field" }, h("span", {}, title), h("input", { class: "input", ...props }));
