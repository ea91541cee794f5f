// The page: whoever is signed in walks between its rooms by the address behind the #.

import { get } from "./api.js";
import { byId, h, icon, iconButton } from "./dom.js";
import { enter, leave, may, me, refresh } from "./door.js";
import { easel } from "./easel.js";
import { folder } from "./jobs.js";
import { gallery } from "./gallery.js";
import { hooks } from "./hooks.js";
import { keys } from "./keys.js";
import { models } from "./models.js";
import { review } from "./review.js";
import { openById } from "./sheet.js";
import { usage } from "./usage.js";
import { capital, gpuTime, several } from "./words.js";

const STANDING_EVERY_MS = 15_000;

const ROOMS = {
  draw: { title: "Draw", sign: "draw", open: easel },
  jobs: { title: "Draw", open: openJob, unlisted: true },
  gallery: { title: "Gallery", sign: "wall", open: gallery },
  models: { title: "Models", sign: "box", open: models },
  usage: { title: "Usage", sign: "chart", open: usage, group: "Account" },
  keys: { title: "API keys", sign: "key", open: keys, group: "Account", scope: "keys" },
  hooks: { title: "Webhooks", sign: "hook", open: hooks, group: "Account", scope: "hooks" },
  review: { title: "Review", sign: "shield", open: review, group: "Moderators", scope: "moderate" },
};

let here = null;
let closeRoom = () => {};

// Where a job's own link leads: its picture, above the room where it was drawn.
function openJob(view, id) {
  const close = easel(view);
  openById(encodeURIComponent(id));
  return close;
}

function roomOf(hash) {
  const [, name = "draw", rest = ""] = /^#\/(\w+)\/?(.*)$/.exec(hash) ?? [];
  const room = ROOMS[name];
  return room && (!room.scope || may(room.scope)) ? [name, rest] : ["draw", ""];
}

function walk() {
  const [name, rest] = roomOf(location.hash);
  showRooms(false);
  if (name === here?.name && rest === here.rest) return;
  closeRoom();
  here = { name, rest };
  const view = byId("view");
  view.replaceChildren();
  view.scrollTop = 0;
  byId("title").textContent = ROOMS[name].title;
  document.title = `${ROOMS[name].title} · Pictor`;
  drawRooms();
  closeRoom = ROOMS[name].open(view, rest) ?? (() => {});
}

function drawRooms() {
  const links = [];
  let group = "";
  for (const [name, room] of Object.entries(ROOMS)) {
    if (room.unlisted || (room.scope && !may(room.scope))) continue;
    if (room.group && room.group !== group) links.push(h("h3", {}, (group = room.group)));
    links.push(link(name, room));
  }
  byId("rooms").replaceChildren(...links);
}

function link(name, room) {
  const open = name === "draw" ? folder.unfinished() : 0;
  return h("a", { class: "room", href: `#/${name}`, "aria-current": name === here?.name && "page" },
    icon(room.sign), room.title, open > 0 && h("span", { class: "count", "aria-label": `${open} being drawn` }, String(open)));
}

function drawSelf() {
  const whole = Math.max(me.grant_ms ?? 0, me.available_ms, 1);
  byId("self").replaceChildren(
    h("div", { class: "self-row" },
      h("span", { class: "face", "aria-hidden": "true" }, me.name.charAt(0).toUpperCase()),
      h("div", { class: "self-words" }, h("b", {}, me.name), h("small", {}, `${me.plan_title ?? capital(me.plan)} plan`)),
      iconButton("leave", "Sign out", leave)),
    h("div", { class: "meter", "--part": `${(100 * me.available_ms) / whole}%` }, h("i")),
    h("small", { class: "number" }, `${gpuTime(me.available_ms)} left`));
}

async function drawFarm() {
  const { farm } = await get("/v1/queue").catch(() => ({}));
  const waiting = Object.values(farm?.waiting ?? {}).reduce((sum, count) => sum + count, 0);
  const words = !farm ? "The farm does not answer" : farm.workers === 0 ? "No GPU is up" : `${several(farm.workers, "GPU")} · ${several(waiting, "job")} waiting`;
  byId("farm-line").replaceChildren(h("i", { class: farm?.workers ? "" : "off" }), words);
}

// What the plan gives a month, as the measure of what is left.
async function learnPlan() {
  const plans = await get("/v1/plans").catch(() => ({ data: [] }));
  const mine = plans.data.find((plan) => plan.current);
  if (mine) Object.assign(me, { grant_ms: mine.grant_ms, plan_title: mine.title });
  drawSelf();
}

async function keepStanding() {
  await Promise.all([refresh().then(drawSelf).catch(() => {}), drawFarm()]);
}

function showRooms(shown) {
  byId("house").classList.toggle("show-rooms", shown);
  byId("menu").setAttribute("aria-expanded", String(shown));
  byId("shade").hidden = !shown;
}

function setUp() {
  byId("menu").append(icon("menu"));
  byId("menu").addEventListener("click", () => showRooms(!byId("house").classList.contains("show-rooms")));
  byId("shade").addEventListener("click", () => showRooms(false));
  window.addEventListener("hashchange", walk);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") showRooms(false);
    if (event.key === "/" && document.activeElement === document.body) {
      event.preventDefault();
      byId("words")?.focus();
    }
  });
  folder.addEventListener("counted", drawRooms);
  folder.addEventListener("settled", keepStanding);
}

function banner(lost) {
  byId("banner").hidden = !lost;
  byId("banner").textContent = lost ? "Connection lost. Trying again…" : "";
}

await enter();
byId("house").hidden = false;
setUp();
folder.open({ lost: () => banner(true), found: () => banner(false) });
drawSelf();
walk();
drawFarm();
learnPlan();
setInterval(() => !document.hidden && keepStanding(), STANDING_EVERY_MS);
