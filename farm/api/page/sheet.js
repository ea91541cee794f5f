// A picture close to: large, with its recipe and all that can be made of it.

import { attempt, make, reuse } from "./acts.js";
import { get } from "./api.js";
import { button, byId, h, icon, iconButton, tell } from "./dom.js";
import { folder } from "./jobs.js";
import { loved, loves, toggle } from "./loves.js";
import { picture, save } from "./pictures.js";
import { capital, gpuTime, lasting, momentOf, taken } from "./words.js";

const LARGER = 1.6; // a small picture is shown so many times its size where there is room

let shown = null; // {job, index}

const box = () => byId("sheet");

// On a picture in the feed: what one does most.
export function tileTools(job, one) {
  const heart = iconButton("heart", "Favourite", (event) => toggle(job.id, one.index, event.currentTarget));
  const mark = h("span", { class: "loved" }, icon("heart"));
  const show = () => {
    heart.setAttribute("aria-pressed", String(loved(job.id, one.index)));
    mark.hidden = !loved(job.id, one.index);
  };
  loves.addEventListener("changed", show);
  show();
  return [mark, h("div", { class: "tile-tools" }, heart,
    iconButton("vary", "Vary it", (event) => make(job, "variations", { index: one.index }, event.currentTarget)),
    iconButton("grow", "Upscale it", (event) => make(job, "upscales", { index: one.index }, event.currentTarget)),
    iconButton("save", "Download it", () => save(one.url, nameOf(job, one))))];
}

export function openSheet(job, index) {
  shown = { job, index };
  draw();
  if (!box().open) box().showModal();
}

export async function openById(id, index = 0) {
  const job = folder.jobs.get(id) ?? (await attempt(() => get(`/v1/jobs/${id}`)));
  if (!job) return;
  if (job.output.length) openSheet(job, index);
  else tell(job.error?.detail ?? "This job has no pictures yet.", { bad: Boolean(job.error) });
}

function draw() {
  const { job } = shown;
  const one = job.output.find((each) => each.index === shown.index) ?? job.output[0];
  box().replaceChildren(stage(job, one), about(job, one));
}

function stage(job, one) {
  const several = job.output.length > 1;
  return h("figure", { class: "stage", onclick: (event) => event.target === event.currentTarget && box().close() },
    picture(one.url, one.alt, { loading: "eager", "--ratio": String(one.width / one.height), "--widest": `${LARGER * one.width}px` }),
    several && h("span", { class: "place number" }, `${one.index + 1} of ${job.output.length}`),
    several && iconButton("left", "Previous picture", () => go(-1), { class: "icon-button previous" }),
    several && iconButton("right", "Next picture", () => go(1), { class: "icon-button next" }));
}

function go(by) {
  const { job } = shown;
  const at = job.output.findIndex((each) => each.index === shown.index);
  shown.index = job.output[(at + by + job.output.length) % job.output.length].index;
  draw();
}

function about(job, one) {
  const [words, parameters] = taken(job.input.prompt);
  return h("div", { class: "about" },
    h("header", {}, h("h2", {}, momentOf(job.created_at)), iconButton("close", "Close", () => box().close())),
    h("div", { class: "stack tight" }, h("p", { class: "words" }, words), h("div", { class: "chips" }, parameters.map((each) => h("span", { class: "tag" }, each)))),
    h("div", { class: "row" }, heartButton(job, one),
      button("Download", () => save(one.url, nameOf(job, one)), { sign: "save" }),
      button("Use prompt", () => { box().close(); reuse(job.input.prompt); }, { sign: "draw" }),
      button("Copy prompt", () => copy(job.input.prompt), { sign: "copy" })),
    h("div", { class: "acts" }, ACTS.flatMap(([label, ...acts]) => [
      h("span", { class: "label" }, label),
      h("div", { class: "row" }, acts.map(([words, verb, body]) =>
        button(words, (event) => make(job, verb, { index: one.index, ...body }, event.currentTarget), { "aria-label": `${label}: ${words}` }))),
    ])),
    changeForm(job, one),
    recipe(job, one));
}

const ACTS = [
  ["Upscale", ["Plain", "upscales", {}], ["Subtle", "upscales", { details: "subtle" }], ["Creative", "upscales", { details: "creative" }]],
  ["Vary", ["Subtle", "variations", { strength: "subtle" }], ["Strong", "variations", { strength: "strong" }]],
  ["Zoom out", ["1.5×", "zooms", { factor: 1.5 }], ["2×", "zooms", { factor: 2 }], ["Square", "squares", {}]],
  ["Pan", ["←", "pans", { direction: "left" }], ["→", "pans", { direction: "right" }], ["↑", "pans", { direction: "up" }], ["↓", "pans", { direction: "down" }]],
];

// A part of the picture, named in words, is drawn anew; perhaps of other words.
function changeForm(job, one) {
  const part = h("input", { class: "input", name: "region", placeholder: "the boat", required: true, maxlength: 200, "aria-label": "What to change" });
  const words = h("input", { class: "input", name: "prompt", placeholder: "a blue whale", maxlength: 2000, "aria-label": "What to draw there" });
  const press = h("button", { class: "button", type: "submit" }, "Redraw");
  const submit = (event) => {
    event.preventDefault();
    make(job, "regions", { index: one.index, region: part.value, prompt: words.value }, press);
  };
  return h("form", { class: "stack tight", onsubmit: submit },
    h("span", { class: "label" }, "Change a part"), h("div", { class: "inline-form" }, part, h("span", { class: "note" }, "to"), words, press));
}

function heartButton(job, one) {
  const is = loved(job.id, one.index);
  const press = async (event) => {
    await toggle(job.id, one.index, event.currentTarget);
    draw();
  };
  return button(is ? "Favourite" : "Mark", press, { sign: "heart", "aria-pressed": String(is) });
}

function recipe(job, one) {
  const { input, metrics } = job;
  const facts = [
    ["Model", input.model], ["Size", `${one.width} × ${one.height}`], ["Seed", String(job.seed + one.index)],
    ["Sampler", input.sampler], ["Steps", String(input.steps)], ["Guidance", String(input.guidance)],
    ["Speed", capital(input.speed)], ["Seen by", input.visibility === "public" ? "Everybody" : "You alone"],
    ["Took", metrics.total_s == null ? null : lasting(metrics.total_s)],
    ["Charged", metrics.charged_ms == null ? null : gpuTime(metrics.charged_ms)],
    ["Job", h("code", {}, job.id)],
  ];
  return h("dl", { class: "facts number" }, facts.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

const nameOf = (job, one) => `pictor-${job.id.slice(0, 8)}-${one.index + 1}.${one.mime.split("/")[1]}`;

async function copy(text) {
  await navigator.clipboard.writeText(text);
  tell("Copied.");
}

document.getElementById("sheet").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by || event.target.closest("input") || shown.job.output.length < 2) return;
  event.preventDefault();
  go(by);
});
