// The person's API keys: made, turned and taken away; each is shown once.

import { attempt } from "./acts.js";
import { del, get, post } from "./api.js";
import { confirmed, openModal } from "./confirm.js";
import { button, h, line, table, tell } from "./dom.js";
import { me } from "./door.js";
import { ago, dayOf } from "./words.js";

const MEANS = {
  read: "See jobs and pictures", draw: "Draw", text: "Use the text service", upload: "Upload LoRAs",
  hooks: "Keep webhooks", keys: "Make keys", moderate: "Moderate", admin: "Run the farm",
};

export function keys(view) {
  const body = h("tbody", {});
  const draw = async () => {
    const page = await attempt(() => get("/v1/keys"));
    if (page) body.replaceChildren(...page.data.map((one) => keyLine(one, draw)));
  };
  view.append(h("div", { class: "column stack" },
    h("div", { class: "spread" }, h("p", { class: "note" }, "A key stands for you. Give each program its own, with no more than it needs."),
      button("New key", () => ask(draw), { kind: "primary", sign: "plus" })),
    table(HEADS, body)));
  draw();
}

const HEADS = ["Name", "Key", "May", "Last used", "Ends", ""];

function keyLine(one, draw) {
  return line(HEADS, [
    h("div", { class: "row" }, one.name, one.id === me.key.id && h("span", { class: "tag good" }, "this one")),
    h("code", {}, `${one.prefix}…`),
    h("div", { class: "chips" }, one.scopes.map((each) => h("span", { class: "tag" }, each))),
    h("span", { class: "nowrap" }, one.last_used_at ? ago(one.last_used_at) : "never"),
    h("span", { class: "nowrap" }, one.expires_at ? dayOf(one.expires_at) : "never"),
    [button("Rotate", () => rotate(one, draw), { kind: "quiet", "aria-label": `Rotate ${one.name}` }),
      button("Revoke", () => revoke(one, draw), { kind: "quiet", "aria-label": `Revoke ${one.name}` })],
  ]);
}

function ask(draw) {
  const name = h("input", { class: "input", name: "name", required: true, maxlength: 80, placeholder: "My script", autofocus: true });
  const days = h("input", { class: "input", name: "days", type: "number", min: 1, max: 3650, value: 90 });
  const ticks = me.key.scopes.map((scope) => h("label", { class: "tick" }, h("input", { type: "checkbox", name: "scope", value: scope, checked: scope === "read" || scope === "draw" }), MEANS[scope] ?? scope));
  const press = h("button", { class: "button primary", type: "submit" }, "Make key");
  const submit = async (event) => {
    event.preventDefault();
    const scopes = [...form.querySelectorAll("[name=scope]:checked")].map((each) => each.value);
    const made = await attempt(() => post("/v1/keys", { name: name.value, scopes, expires_in_days: Number(days.value) }), press);
    if (made) shown(made, draw);
  };
  const form = h("form", { onsubmit: submit },
    h("label", { class: "field" }, h("span", {}, "Name"), name),
    h("fieldset", { class: "field" }, h("span", {}, "It may"), h("div", { class: "ticks" }, ticks)),
    h("label", { class: "field" }, h("span", {}, "Good for days"), days),
    h("footer", {}, press));
  openModal("New key", form);
}

// Once, and never again: closing it forgets it.
export function shown(made, draw, title = "Your key") {
  const secret = h("input", { class: "input", readonly: true, value: made.key ?? made.secret, "aria-label": "The key", onfocus: (event) => event.target.select() });
  const copy = async () => {
    await navigator.clipboard.writeText(secret.value);
    tell("Copied.");
  };
  const box = openModal(title, h("div", { class: "modal-body" },
    h("p", {}, "Copy it now: it is not kept and cannot be shown again."),
    h("div", { class: "secret" }, secret, button("Copy", copy, { kind: "primary", sign: "copy" }))));
  box.addEventListener("close", draw, { once: true });
}

async function rotate(one, draw) {
  if (!(await confirmed(`Rotate ${one.name}?`, "You get another key; this one ends at once.", { yes: "Rotate" }))) return;
  const made = await attempt(() => post(`/v1/keys/${one.id}/rotate`));
  if (made) shown(made, draw);
}

async function revoke(one, draw) {
  if (!(await confirmed(`Revoke ${one.name}?`, "Whatever uses it stops working at once.", { yes: "Revoke", kind: "danger" }))) return;
  if ((await attempt(() => del(`/v1/keys/${one.id}`))) !== undefined) draw();
}
