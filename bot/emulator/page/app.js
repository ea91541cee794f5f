// The page: state, events, and who draws what.

import { Feed, api } from "./api.js";
import { Composer } from "./composer.js";
import { byId, h, icon, toast } from "./dom.js";
import { idOf } from "./faces.js";
import { setUpLightbox } from "./lightbox.js";
import { drawMessages } from "./messages.js";
import { personMenu } from "./menus.js";
import { openModal } from "./modal.js";
import { Outcomes } from "./outcomes.js";
import { Scroller } from "./scroll.js";
import { openPurchase, openShop } from "./shop.js";
import { colourOf, drawChannels, drawMembers, drawSelf, drawTop, standing } from "./sidebar.js";
import { setUpSides, showSidebar } from "./sides.js";
import { Store } from "./store.js";

const FIRST = "1100000000000000011";
const TYPING_MS = 10_000;
const FORM = 5;
const MANAGE_MESSAGES = 1n << 13n;
const ADMINISTRATOR = 1n << 3n;
// Events after which everything is asked for again.
const ANEW = [
  "HELLO", "COMMANDS_UPDATE", "ENTITLEMENT_UPDATE", "ENTITLEMENT_DELETE", "SUBSCRIPTION_UPDATE",
  "THREAD_CREATE", "THREAD_UPDATE", "CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE",
];

let store = new Store(firstPerson());
let feed = null;
let drawing = false;
let placeName = "…";
const scroller = new Scroller();
const outcomes = new Outcomes();

function firstPerson() {
  const asked = new URLSearchParams(location.search).get("user");
  if (asked) return idOf(asked);
  return localStorage.getItem("person") ?? FIRST;
}

const see = {
  person: (id) => store.person(id)?.name,
  role: (id) => store.roles.find((r) => r.id === id)?.name,
  channel: (id) => store.channels.find((c) => c.id === id)?.name,
  colourOf: (id) => {
    const person = store.person(id);
    return person ? colourOf(standing(person, store.roles)) : null;
  },
};

const app = {
  see,
  me: () => store.me,
  choices: (type) => store.choices(type),
  offers: (type) => store.offers(type),
  use: (wish) => attempt(() => api.menu({ ...here(), ...wish })).then(() => scroller.pin()),
  busy: (id) => store.clicks.get(id) ?? null,
  failed: (id) => store.failures.get(id) ?? null,
  mayErase: (message) => message.author.id === store.me || isModerator(),
  press,
  sku: (id) => store.sku(id),
  shop: () => store.shop,
  buy: (sku) => openPurchase(sku, app),
  buyNow: (sku) => trade(() => api.buy(store.me, sku.id)),
  cancelNow: (sku) => trade(() => api.cancel(store.me, sku.id)),
  openShop: () => openShop(app),
  erase: (message) => attempt(() => api.erase(store.me, message.id)),
  forget: ({ id }) => {
    store.interactions.delete(id);
    redraw();
  },
  goTo: (id) => {
    const target = byId("messages").querySelector(`[data-id="${CSS.escape(id)}"]`);
    target?.scrollIntoView({ block: "center", behavior: "smooth" });
    target?.animate({ backgroundColor: ["rgb(88 101 242 / .3)", "transparent"] }, 1500);
  },
};

const composer = new Composer({
  api,
  place: here,
  commands: () => store.offers(1),
  channelName: () => placeName,
  people: () => store.people,
  channels: () => store.channels.filter((c) => c.type === 0),
  roles: () => store.roles.filter((r) => r.position > 0),
  sent: () => scroller.pin(),
});

function here() {
  return { user: store.me, channel: store.channel };
}

function isModerator() {
  const own = store.roles.filter((r) => store.person(store.me)?.roles.includes(r.id));
  return own.some((r) => BigInt(r.permissions) & (MANAGE_MESSAGES | ADMINISTRATOR));
}

function fillIn(modal, id) {
  openModal(modal, {
    send: async (values) => outcomes.of((await api.modal({ user: store.me, interaction_id: id, values })).interaction_id),
    upload: async (file) => (await api.upload(store.me, file)).id,
    choices: app.choices,
    botName: store.bot().name,
  });
}

async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    toast(error.message);
    return null;
  }
}

// The shop's window shows at once what was bought.
async function trade(action) {
  const done = await attempt(action);
  await refresh();
  return done !== null;
}

async function press(message, customId, values) {
  store.clicks.set(message.id, customId);
  store.failures.delete(message.id);
  redraw();
  const wish = { user: store.me, message_id: message.id, custom_id: customId, values };
  if ((await attempt(() => api.click(wish))) === null) {
    store.clicks.delete(message.id);
    redraw();
  }
}

const HEARD = {
  ...Object.fromEntries(ANEW.map((event) => [event, () => refresh()])),
  MESSAGE_CREATE: (message) => {
    const fresh = store.write(message);
    if (message.channel_id !== store.channel) {
      store.unread.add(message.channel_id);
      refreshChannels(message.channel_id);
      drawChannels(store, visit);
    } else if (fresh) scroller.arrived();
    if (fresh && document.hidden) store.unseen += 1;
    drawTitle();
  },
  MESSAGE_UPDATE: (message) => store.write(message),
  MESSAGE_DELETE: (gone) => store.erase(gone),
  TYPING_START: ({ channel_id: channel, user_id: user }) => {
    store.typing.set(`${channel} ${user}`, Date.now() + TYPING_MS);
    setTimeout(drawTyping, TYPING_MS + 50);
  },
  INTERACTION_STATE: (interaction) => {
    const modal = store.follow(interaction);
    if (interaction.type === FORM) outcomes.hear(interaction);
    if (modal) fillIn(modal, interaction.id);
  },
  BOT_STATE: ({ bot_online: online }) => {
    store.online = online;
    drawMembers(store, offer);
    drawBanner();
  },
};

function hear(packet) {
  if (store.backlog && packet.event !== "HELLO") {
    store.backlog.push(packet);
    return;
  }
  HEARD[packet.event]?.(packet.data);
  redraw();
}

// Everything anew from the server: at the start, after a lost connection, when channels change.
// What is heard meanwhile is older or newer than the answer, so it is told again afterwards.
async function refresh() {
  const mine = store;
  mine.backlog ??= [];
  try {
    const world = await api.state(mine.me);
    if (mine.boot !== null && mine.boot !== world.boot) mine.interactions.clear();
    mine.take(world);
    await Promise.all(mine.channels.map(async ({ id }) => mine.fill(id, await api.messages(mine.me, id))));
  } catch (error) {
    if (mine === store) toast(error.message);
    return;
  } finally {
    const missed = mine.backlog ?? [];
    mine.backlog = null;
    if (mine === store) missed.forEach(hear);
  }
  if (mine !== store) return;
  if (!document.body.classList.contains("ready") && matchMedia("(hover: hover)").matches) composer.focus();
  document.body.classList.add("ready");
  drawAround();
  redraw();
}

async function refreshChannels(id) {
  if (!store.channels.some((c) => c.id === id)) await refresh();
}

function drawAround() {
  byId("guild").textContent = store.guild.name;
  placeName = drawTop(store);
  drawChannels(store, visit);
  drawMembers(store, offer);
  drawSelf(store, become);
  drawBanner();
  drawTitle();
  composer.rename();
}

function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (!store.guild) return;
    drawMessages(store.list(), store.pending(), app);
    drawTyping();
    if (scroller.pinned) scroller.toEnd();
  });
}

function drawTyping() {
  const names = store.typists();
  const text = names.length === 1 ? " is typing…" : " are typing…";
  byId("typing").replaceChildren(...(names.length ? [h("b", {}, names.join(", ")), text] : []));
}

function drawBanner(lost = false) {
  const text = lost
    ? "Connection lost. Trying again…"
    : store.online ? "" : "Pictor is offline: nobody will answer commands until the bot connects.";
  byId("banner").hidden = !text;
  byId("banner").className = lost ? "banner lost" : "banner";
  byId("banner").replaceChildren(icon("warn"), h("span", {}, text));
}

function offer(event, person) {
  personMenu(event, person, app);
}

function drawTitle() {
  if (!document.hidden) store.unseen = 0;
  document.title = `${store.unseen ? `(${store.unseen}) ` : ""}${placeName} · Pictor`;
}

async function visit(channel) {
  if (channel.id === "shop") {
    openShop(app);
    return;
  }
  if (channel.id === "direct") {
    const opened = await attempt(() => api.direct(store.me));
    if (!opened) return;
    store.channel = opened.id;
    await refresh();
  } else store.channel = channel.id;
  store.unread.delete(store.channel);
  showSidebar(false);
  composer.drop();
  drawAround();
  scroller.pin();
  redraw();
}

function become(person) {
  localStorage.setItem("person", person);
  history.replaceState(null, "", location.pathname);
  feed.close();
  const channel = store.channel;
  store = new Store(person);
  store.channel = channel;
  composer.drop();
  showSidebar(false);
  scroller.pin();
  connect();
}

function connect() {
  feed = new Feed(store.me, { hear, lost: () => drawBanner(true) });
}

setUpSides();
byId("server").addEventListener("click", () => visit(store.channels.find((c) => c.type === 0)));
document.addEventListener("visibilitychange", drawTitle);
document.addEventListener("keydown", (event) => {
  // Typing anywhere goes to the message box, as in Discord.
  const idle = [document.body, byId("scroller")].includes(document.activeElement);
  if (idle && event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) composer.focus();
});
setUpLightbox();
connect();
