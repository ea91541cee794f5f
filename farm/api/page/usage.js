// What was used and what it cost: figures, a plot by days, and a receipt for every job.

import { attempt } from "./acts.js";
import { file, get, query } from "./api.js";
import { button, empty, h, line, table } from "./dom.js";
import { me } from "./door.js";
import { save } from "./pictures.js";
import { bars } from "./plot.js";
import { openModal } from "./confirm.js";
import { capital, dayOf, gpuTime, momentOf, round, several, taken } from "./words.js";

const SPAN_DAYS = 30;
const PAGE = 20;
const DAY_MS = 86_400_000;
const PADDING_PX = 34; // of the card around a plot

export function usage(view) {
  const figures = h("div", { class: "figures" });
  const plot = h("section", { class: "card stack" });
  const receipts = h("section", { class: "stack" });
  view.append(h("div", { class: "column stack" }, figures, plot, receipts));
  drawFigures(figures);
  drawPlot(plot);
  drawReceipts(receipts);
}

function drawFigures(figures) {
  figures.replaceChildren(
    figure("Left to draw with", gpuTime(me.available_ms), endOf(me)),
    figure("Held for open jobs", gpuTime(me.held_ms), "returned where it is not used"),
    figure("Waiting", String(me.waiting), `of at most ${me.max_waiting}`),
    figure("Being drawn", String(me.running), `of at most ${me.max_running}`));
}

function endOf({ available_ms: all, expiring_ms: some, expires_at: at }) {
  if (!at || !some) return "without an end";
  return some === all ? `until ${dayOf(at)}` : `${gpuTime(some)} of it until ${dayOf(at)}`;
}

const figure = (name, value, note) => h("div", { class: "figure number" }, h("span", {}, name), h("b", {}, value), h("small", {}, note));

// What one was charged; for a server's admins also what all of it was.
async function drawPlot(plot, of = "mine") {
  const from = new Date(Date.now() - (SPAN_DAYS - 1) * DAY_MS).toISOString().slice(0, 10);
  const path = `/v1/reports/usage${query({ of, by: "day", from })}`;
  const report = await attempt(() => get(path));
  if (!report || !plot.isConnected) return; // one may have left the room meanwhile
  const days = filled(report.data);
  plot.replaceChildren(
    h("div", { class: "spread" }, h("h3", {}, `Last ${SPAN_DAYS} days`), h("span", { class: "note number" }, totals(report.total)),
      h("div", { class: "row" }, whose(of, plot), button("CSV", () => saveSheet(path), { kind: "quiet", sign: "save" }))),
    bars(days, { title: "GPU-seconds charged by day", unit: "s", width: plot.clientWidth - PADDING_PX }));
}

const totals = (total) => [several(total.pictures, "picture"), several(total.jobs, "job"), gpuTime(total.charged_ms)].join(" · ");

function whose(of, plot) {
  if (!me.key.guild_id || me.moderator !== "admin") return null;
  return [["mine", "Mine"], ["server", "Server"]].map(([name, title]) =>
    h("button", { type: "button", class: "chip", "aria-pressed": String(name === of), onclick: () => drawPlot(plot, name) }, title));
}

async function saveSheet(path) {
  const sheet = await attempt(() => file("GET", `${path}&format=csv`));
  if (sheet) save(URL.createObjectURL(sheet), "pictor-usage-by-day.csv");
}

// Days of which nothing is told were idle.
function filled(rows) {
  const told = new Map(rows.map((row) => [row.key, row]));
  return Array.from({ length: SPAN_DAYS }, (_, back) => {
    const key = new Date(Date.now() - (SPAN_DAYS - 1 - back) * DAY_MS).toISOString().slice(0, 10);
    const seconds = (told.get(key)?.values.charged_ms ?? 0) / 1000;
    return { label: dayOf(`${key}T12:00:00Z`), value: Number(seconds.toFixed(1)), words: `${round(seconds)} GPU-seconds` };
  });
}

function drawReceipts(place) {
  const body = h("tbody", {});
  const more = button("Show older ones", () => load(), { kind: "quiet", hidden: true });
  const shown = table(HEADS, body);
  place.replaceChildren(h("h3", {}, "Receipts"), shown, more);
  let before = null;
  const load = async () => {
    const page = await attempt(() => get(`/v1/receipts${query({ limit: PAGE, before })}`), more);
    if (!page) return;
    before = page.next;
    more.hidden = !before;
    body.append(...page.data.map(receiptLine));
    if (!body.children.length) shown.replaceWith(empty("chart", "No receipts yet", "Each job leaves one: what it held, what it cost, and why."));
  };
  load();
}

const HEADS = ["When", "Prompt", "Speed", "Outcome", "Charged", ""];

function receiptLine(charge) {
  const { charged_ms: charged } = charge;
  const words = taken(charge.prompt)[0] || charge.kind;
  return line(HEADS, [
    h("span", { class: "number nowrap" }, momentOf(charge.submitted_at)),
    h("div", { class: "clip", title: charge.prompt }, words),
    capital(charge.speed),
    h("span", { class: `tag ${OUTCOME[charge.state] ?? ""}` }, charge.state),
    h("span", { class: "number nowrap" }, charged == null ? "—" : gpuTime(charged)),
    button("Receipt", (event) => receipt(charge, event.currentTarget), { kind: "quiet", "aria-label": `Receipt of ${words}` }),
  ]);
}

const OUTCOME = { succeeded: "good", failed: "bad", blocked: "bad", waiting: "accent", running: "accent", dispatched: "accent" };

async function receipt({ job, prompt }, pressed) {
  const bill = await attempt(() => get(`/v1/receipts/${job}`), pressed);
  if (!bill) return;
  const { charge } = bill;
  const facts = [["Job", h("code", {}, job)], ["Quoted", `at most ${gpuTime(bill.quote_ms)}`], ["Held", gpuTime(bill.held_ms)],
    ["Measured", charge.gpu_ms == null ? "—" : `${gpuTime(charge.gpu_ms)}, ×${charge.price ?? 1} at ${charge.speed}`],
    ["Charged", gpuTime(bill.settled_ms)], ["Given back", gpuTime(bill.refunded_ms)]];
  openModal("Receipt", h("div", { class: "modal-body" },
    h("p", {}, taken(prompt)[0]),
    h("dl", { class: "facts number" }, facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))));
}
