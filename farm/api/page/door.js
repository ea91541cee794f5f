// Signing in: the key stays in this tab and goes nowhere but to this farm.

import { get, Problem, signWith } from "./api.js";
import { byId, h, icon } from "./dom.js";

const PLACE = "pictor.key";

export const me = {};

// Resolves once somebody is in. A key behind the # of the address is only filled in: a link alone must not
// sign anybody in to somebody else's account.
export async function enter() {
  const kept = sessionStorage.getItem(PLACE);
  if (kept && (await tried(kept)) === null) return;
  await new Promise((opened) => drawDoor(opened));
}

export function leave() {
  sessionStorage.removeItem(PLACE);
  location.reload();
}

export async function refresh() {
  Object.assign(me, await get("/v1/me"));
}

export const may = (...scopes) => scopes.some((scope) => me.key.scopes.includes(scope) || me.key.scopes.includes("admin"));

async function tried(key) {
  signWith(key, () => {});
  try {
    await refresh();
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
  sessionStorage.setItem(PLACE, key);
  signWith(key, leave);
  return null;
}

function keyInAddress() {
  const found = /^#key=([\w-]+)$/.exec(location.hash);
  if (found) history.replaceState(null, "", location.pathname);
  return found?.[1] ?? "";
}

function drawDoor(opened) {
  const input = h("input", {
    class: "input", id: "key", name: "key", type: "password", required: true, autocomplete: "off", spellcheck: "false",
    placeholder: "pk_live_…", "aria-describedby": "door-wrong", value: keyInAddress(),
  });
  const wrong = h("div", { class: "wrong", id: "door-wrong", role: "alert", hidden: true });
  const press = h("button", { class: "button primary", type: "submit" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    press.disabled = true;
    const no = await tried(input.value.trim());
    press.disabled = false;
    if (no !== null) return complain(wrong, input, no);
    byId("door").hidden = true;
    byId("door").replaceChildren();
    opened();
  };
  const form = h("form", { onsubmit: submit }, h("label", { class: "field" }, h("span", {}, "API key"), input), wrong, press);
  byId("door").replaceChildren(card(form));
  byId("door").hidden = false;
  input.focus();
}

function complain(wrong, input, sentence) {
  wrong.replaceChildren(icon("warn"), h("span", {}, sentence));
  wrong.hidden = false;
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

function card(form) {
  return h("div", { class: "door-card" },
    h("img", { src: "/page/pictor.svg", alt: "", width: 72, height: 72 }),
    h("h1", {}, "Welcome to Pictor"),
    h("p", {}, "Pictures from words, on this farm's own GPUs."),
    form,
    h("details", {}, h("summary", {}, "Where do I get a key?"),
      h("ul", {},
        h("li", {}, "In Discord, type ", h("code", {}, "/key create"), ": the answer is for your eyes only."),
        h("li", {}, "Whoever runs the farm makes one with ", h("code", {}, "pictor key create"), "."),
        h("li", {}, "The key stays in this tab and is forgotten when you close it."))));
}
