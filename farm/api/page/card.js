// One job in the feed: its pictures, or how far they are, and what can be done.

import { again, cancel, openable, reuse } from "./acts.js";
import { button, h, icon } from "./dom.js";
import { folder, isOpen } from "./jobs.js";
import { picture, swap } from "./pictures.js";
import { openSheet, tileTools } from "./sheet.js";
import { ago, capital, gpuTime, lasting, momentOf, taken } from "./words.js";

export class Card {
  constructor(job) {
    this.tiles = h("div");
    this.side = h("div", { class: "job-side" });
    this.root = h("article", { class: "job", "data-job": job.id, "aria-label": taken(job.input.prompt)[0] || job.input.kind }, this.tiles, this.side);
    this.shown = "";
    this.update(job);
  }

  update(job) {
    const live = folder.live.get(job.id) ?? {};
    const stage = isOpen(job) ? "open" : `${job.state} ${job.output.map((one) => one.url)} ${folder.loved}`;
    if (stage !== this.shown) this.renew(job);
    this.shown = stage;
    if (isOpen(job)) this.progress(job, live);
  }

  renew(job) {
    const next = isOpen(job) ? growing(job) : job.output.length ? finished(job) : without(job);
    this.tiles.replaceWith(next);
    this.tiles = next;
    this.now = h("div", { class: "job-now", role: "status" });
    this.bar = h("div", { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, h("i"));
    this.side.replaceChildren(...sideOf(job, this));
  }

  progress(job, live) {
    const part = live.steps ? Math.round((100 * live.step) / live.steps) : 0;
    this.now.firstChild.textContent = standing(job, live);
    this.bar.setAttribute("aria-valuenow", part);
    this.bar.firstChild.style.setProperty("--part", `${part}%`);
    if (live.preview) for (const image of this.tiles.querySelectorAll("img")) swap(image, live.preview);
  }
}

function standing(job, live) {
  if (live.steps && live.step >= live.steps) return "Finishing…";
  if (live.steps) return `Step ${live.step} of ${live.steps}${live.eta_s ? ` · about ${lasting(live.eta_s)} left` : ""}`;
  if (job.state === "running") return "Starting…";
  const place = live.queue ?? job.queue;
  if (!place) return job.state === "dispatched" ? "A GPU takes it on…" : "Waiting…";
  const start = place.start_s ?? place.eta_s;
  return [place.position ? `Waiting, place ${place.position}` : "Waiting", start && `about ${lasting(start)}`, place.reason].filter(Boolean).join(" · ");
}

function sideOf(job, card) {
  const [words, parameters] = taken(job.input.prompt);
  return [
    verbOf(job),
    h("p", { class: "job-words", title: words }, words || "No words"),
    (parameters.length > 0 || job.reused) && h("div", { class: "job-facts" }, parameters.map((each) => h("span", { class: "tag" }, each)), job.reused && h("span", { class: "tag good" }, "reused, free")),
    isOpen(job) ? nowOf(card) : factsOf(job),
    actsOf(job),
  ].filter(Boolean);
}

function nowOf(card) {
  card.now.replaceChildren(h("span", {}), card.bar);
  return card.now;
}

function factsOf(job) {
  const { charged_ms: charged, total_s: total } = job.metrics;
  const facts = [ago(job.created_at), total != null && lasting(total), charged ? gpuTime(charged) : job.state === "succeeded" ? "free" : null];
  return h("p", { class: "note number", title: momentOf(job.created_at) }, facts.filter(Boolean).join(" · "));
}

const VERBS = { imagine: "", vary: "Variation", upscale: "Upscale", zoom: "Zoom out", pan: "Pan", square: "Made square", region: "Region changed", blend: "Blend" };

function verbOf(job) {
  const verb = VERBS[job.input.kind] ?? capital(job.input.kind);
  if (!verb) return null;
  const manner = job.input.manner ? ` (${job.input.manner})` : "";
  return h("p", { class: "job-of" }, `${verb}${manner}`, job.input.parent ? ` of picture ${job.input.parent.index + 1}` : "");
}

function actsOf(job) {
  if (isOpen(job)) return h("div", { class: "job-acts" }, button("Cancel", () => cancel(job)));
  return h("div", { class: "job-acts" },
    button("Again", (event) => again(job, event.currentTarget), { sign: "again" }),
    button("Use prompt", () => reuse(job.input.prompt), { sign: "draw", kind: "quiet" }));
}

const ratioOf = (job) => String(job.input.width / job.input.height);

// The preview is one file of all pictures, two by two: each tile shows its quarter.
function growing(job) {
  const count = job.input.images;
  const tiles = Array.from({ length: count }, (_, index) =>
    h("div", { class: `tile growing ${count === 4 ? `quarter q${index}` : ""}` }, h("img", { alt: "", hidden: true })));
  return h("div", { class: "tiles", "data-count": count, "--ratio": ratioOf(job) }, tiles);
}

function finished(job) {
  const tiles = job.output.map((one) =>
    h("div", { class: "tile" },
      h("button", { class: "tile-open", type: "button", "aria-label": `Open ${one.alt}`, onclick: () => openSheet(job, one.index) }, picture(one.url, one.alt)),
      openable(job) && tileTools(job, one)));
  return h("div", { class: "tiles", "data-count": job.output.length, "--ratio": ratioOf(job) }, tiles);
}

function without(job) {
  const sentence = job.error?.detail ?? { cancelled: "Cancelled. Nothing was charged.", succeeded: "These pictures are no longer kept." }[job.state] ?? "No picture came of it. Nothing was charged.";
  const bad = job.state === "failed" || job.state === "blocked";
  return h("div", { class: bad ? "no-tile bad" : "no-tile" }, icon(bad ? "warn" : "close"), h("p", {}, sentence));
}
