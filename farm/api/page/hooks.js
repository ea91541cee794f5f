// Webhooks: addresses that are told what becomes of jobs, and the log of what they were told.

import { attempt } from "./acts.js";
import { ask as call, del, get, post, query } from "./api.js";
import { confirmed, openModal } from "./confirm.js";
import { button, empty, h, line, table, tell } from "./dom.js";
import { shown } from "./keys.js";
import { ago } from "./words.js";

export function hooks(view) {
  const list = h("div", { class: "stack" });
  const draw = async () => {
    const page = await attempt(() => get("/v1/webhooks"));
    if (!page) return;
    list.replaceChildren(...(page.data.length ? page.data.map((one) => hookCard(one, draw))
      : [empty("hook", "No webhook yet", "Name an address of yours, and it is told when jobs start, finish or fail. Each call is signed.")]));
  };
  view.append(h("div", { class: "column stack" },
    h("div", { class: "spread" }, h("p", { class: "note" }, "Calls are signed as Standard Webhooks says, and tried for a day."),
      button("New webhook", () => ask(draw), { kind: "primary", sign: "plus" })), list));
  draw();
}

function hookCard(one, draw) {
  const log = h("div", { hidden: true });
  return h("article", { class: "card stack tight" },
    h("div", { class: "spread" }, h("h3", { class: "clip" }, one.url), h("span", { class: one.enabled ? "tag good" : "tag bad" }, h("i", { class: "light" }), one.enabled ? "on" : "off")),
    h("div", { class: "chips" }, one.events.map((each) => h("span", { class: "tag" }, each))),
    one.off_because && h("p", { class: "note" }, one.off_because),
    h("div", { class: "row" },
      button("Log", () => showLog(one, log)),
      button("Send a test", (event) => ping(one, event.currentTarget, log), { kind: "quiet" }),
      !one.enabled && button("Switch on", (event) => switchOn(one, event.currentTarget, draw), { kind: "quiet" }),
      button("New secret", () => turn(one, draw), { kind: "quiet" }),
      button("Remove", () => remove(one, draw), { kind: "quiet" })),
    log);
}

function ask(draw) {
  const url = h("input", { class: "input", type: "url", required: true, placeholder: "https://example.com/pictor", autofocus: true });
  const press = h("button", { class: "button primary", type: "submit" }, "Make webhook");
  const submit = async (event) => {
    event.preventDefault();
    const made = await attempt(() => post("/v1/webhooks", { url: url.value }), press);
    if (made) shown(made, draw, "Its secret");
  };
  openModal("New webhook", h("form", { onsubmit: submit }, h("label", { class: "field" }, h("span", {}, "Address"), url), h("footer", {}, press)));
}

async function showLog(one, log) {
  const page = await attempt(() => get(`/v1/webhooks/${one.id}/deliveries${query({ limit: 20 })}`));
  if (!page) return;
  log.hidden = false;
  if (!page.data.length) return log.replaceChildren(h("p", { class: "note" }, "It was told nothing yet."));
  return log.replaceChildren(table(HEADS, h("tbody", {}, page.data.map((each) => logLine(one, each, log)))));
}

const OUTCOME = { delivered: "good", open: "warn", given_up: "bad" };
const HEADS = ["When", "Event", "Answer", "Tries", ""];

function logLine(one, told, log) {
  return line(HEADS, [
    h("span", { class: "nowrap" }, ago(told.happened_at)),
    told.event,
    h("span", { class: `tag ${OUTCOME[told.state]}`, title: told.error }, [told.state.replace("_", " "), told.status].filter(Boolean).join(", ")),
    String(told.tries),
    button("Send again", (event) => resend(one, told, event.currentTarget, log), { kind: "quiet" }),
  ]);
}

async function resend(one, told, pressed, log) {
  if (await attempt(() => post(`/v1/webhooks/${one.id}/deliveries/${told.id}/redeliver`), pressed)) showLog(one, log);
}

async function ping(one, pressed, log) {
  if (!(await attempt(() => post(`/v1/webhooks/${one.id}/ping`), pressed))) return;
  tell("A test is on its way.");
  setTimeout(() => showLog(one, log), 1500);
}

async function switchOn(one, pressed, draw) {
  if (await attempt(() => call("PATCH", `/v1/webhooks/${one.id}`, { enabled: true }), pressed)) draw();
}

async function turn(one, draw) {
  const made = await attempt(() => post(`/v1/webhooks/${one.id}/rotate`));
  if (made) shown(made, draw, "Its new secret");
}

async function remove(one, draw) {
  if (!(await confirmed("Remove this webhook?", `${one.url} is told nothing more.`, { yes: "Remove", kind: "danger" }))) return;
  if ((await attempt(() => del(`/v1/webhooks/${one.id}`))) !== undefined) draw();
}
