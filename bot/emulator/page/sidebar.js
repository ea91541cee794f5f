// Around the messages: channels, members, and the switch between people.

import { appTag } from "./messages.js";
import { byId, h, icon } from "./dom.js";
import { avatarOf } from "./faces.js";

const GROUP = 3;
const THREAD = 11;

const hex = (number) => `#${number.toString(16).padStart(6, "0")}`;
export const colourOf = (role) => (role?.color ? hex(role.color) : null);

// The role that a person stands under in the list: the highest that is set apart.
export function standing(person, roles) {
  const own = roles.filter((role) => person.roles.includes(role.id) && role.hoist);
  return own.sort((a, b) => b.position - a.position)[0];
}

export function drawChannels(state, go) {
  const home = (c) => c.guild_id === state.guild.id;
  const rooms = state.channels.filter((c) => c.type === 0 && home(c)).sort((a, b) => a.position - b.position);
  const threads = (room) => state.channels.filter((c) => c.type === THREAD && c.parent_id === room.id && !c.thread_metadata.archived);
  const away = state.channels.filter((c) => c.type === GROUP || (c.guild_id && !home(c)));
  const entry = (channel, label, sign) => h("li", {}, h("button", {
    type: "button",
    class: state.unread.has(channel.id) ? "channel unread" : "channel",
    "aria-current": channel.id === state.channel ? "page" : null,
    data: { channel: channel.id },
    onclick: () => go(channel),
  }, sign, h("span", {}, label), state.unread.has(channel.id) && h("span", { class: "sr" }, " (unread)")));
  const direct = state.channels.find((c) => c.type === 1) ?? { id: "direct" };
  byId("channels").replaceChildren(
    h("h3", {}, "Text channels"),
    h("ul", {}, rooms.map((c) => [entry(c, c.name, signOf(c)), threads(c).map((t) => entry(t, t.name, signOf(t)))])),
    h("h3", {}, "Direct messages"),
    h("ul", {}, entry(direct, "Pictor", h("img", { src: avatarOf("1"), alt: "", width: 24, height: 24 })),
      entry({ id: "shop" }, "Pictor's store", icon("shop"))),
    away.length ? h("h3", {}, "Elsewhere, without the bot") : "",
    h("ul", {}, away.map((c) => entry(c, c.name, signOf(c)))));
}

const VIEW_CHANNEL = 1n << 10n;
const isPrivate = (channel) => channel.permission_overwrites?.some(
  (o) => o.id === channel.guild_id && BigInt(o.deny) & VIEW_CHANNEL);

// A lock for what not everybody sees, a warning for what is for adults.
function signOf(channel) {
  if (channel.type === 1) return icon("at");
  if (channel.type === GROUP) return icon("people");
  if (channel.type === THREAD) return h("span", { class: "channel-sign thread" }, icon("thread"));
  const mark = channel.nsfw ? ["18+", "Age-restricted"] : isPrivate(channel) ? [icon("lock"), "Private"] : null;
  return h("span", { class: "channel-sign" }, icon("hash"),
    mark && h("span", { class: channel.nsfw ? "mark adult" : "mark", title: mark[1] }, mark[0], h("span", { class: "sr" }, mark[1])));
}

// `offer(event, person)` opens a person's menu.
export function drawMembers(state, offer) {
  const groups = new Map();
  for (const person of state.people) {
    const role = standing(person, state.roles);
    groups.set(role, [...(groups.get(role) ?? []), person]);
  }
  const ordered = [...groups].sort(([a], [b]) => b.position - a.position);
  byId("members").replaceChildren(...ordered.flatMap(([role, people]) => [
    h("h3", {}, `${role.name} — ${people.length}`),
    h("ul", {}, people.map((person) => member(person, role, { state, offer }))),
  ]));
}

function member(person, role, { state, offer }) {
  const here = !person.user.bot || state.online;
  const note = person.user.bot && !state.online ? "Offline" : person.bio;
  const open = (event) => offer(event, person.user);
  const props = { type: "button", class: here ? "member" : "member away", "aria-haspopup": "menu", onclick: open, oncontextmenu: open };
  return h("li", {}, h("button", props,
    face(person, here),
    h("span", { class: "member-words" },
      h("span", { class: "member-name", style: { color: colourOf(role) } }, person.name, person.user.bot && appTag()),
      h("span", { class: "member-note" }, note))));
}

function face(person, here) {
  return h("span", { class: "face" },
    h("img", { src: avatarOf(person.user.id), alt: "", width: 32, height: 32 }),
    h("span", { class: here ? "dot on" : "dot", title: here ? "Online" : "Offline" }));
}

export function drawSelf(state, become) {
  const me = state.people.find((p) => p.user.id === state.me);
  const menu = h("ul", { class: "switcher", role: "menu", "aria-label": "Act as", hidden: true },
    state.people.filter((p) => !p.user.bot).map((person) => {
      const props = { role: "menuitemradio", tabindex: -1, "aria-checked": String(person === me), data: { user: person.user.id } };
      const role = standing(person, state.roles);
      return h("li", { ...props, onclick: () => become(person.user.id) }, face(person, true),
        h("span", { class: "member-words" }, h("span", { class: "member-name" }, person.name),
          h("span", { class: "plan", style: { "--plan": colourOf(role) } }, role.name)));
    }));
  const button = h("button", {
    type: "button", class: "self-button", "aria-haspopup": "menu", "aria-expanded": "false",
    "aria-label": `You are ${me.name}. Switch person`,
  }, face(me, true), h("span", { class: "member-words" }, h("span", { class: "member-name" }, me.name),
    h("span", { class: "member-note" }, me.bio)), icon("swap"));
  button.addEventListener("click", () => openMenu(button, menu, menu.hidden));
  byId("self").replaceChildren(menu, button);
  menu.addEventListener("keydown", (event) => steerMenu(event, button, menu));
  byId("self").onfocusout = (event) => byId("self").contains(event.relatedTarget) || openMenu(button, menu, false);
}

function openMenu(button, menu, open) {
  menu.hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  if (open) menu.querySelector('[aria-checked="true"]').focus();
}

function steerMenu(event, button, menu) {
  const items = [...menu.children];
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by) items[(items.indexOf(document.activeElement) + by + items.length) % items.length].focus();
  else if (event.key === "Enter" || event.key === " ") document.activeElement.click();
  else if (event.key === "Escape") {
    openMenu(button, menu, false);
    button.focus();
  } else return;
  event.preventDefault();
}

export function drawTop(state) {
  const channel = state.channels.find((c) => c.id === state.channel);
  const direct = channel.type === 1;
  byId("channel-name").replaceChildren(signOf(channel), h("span", {}, direct ? "Pictor" : channel.name));
  byId("topic").textContent = channel.topic ?? "";
  byId("welcome").replaceChildren(
    h("span", { class: "welcome-sign" }, icon(direct ? "at" : "hash")),
    h("h2", {}, direct ? "Pictor" : `Welcome to #${channel.name}!`),
    h("p", {}, direct
      ? "This is the beginning of your direct messages with Pictor."
      : channel.name === "imagine"
        ? "This is the start of the channel. Type /imagine and describe a picture."
        : `This is the start of the #${channel.name} channel.`));
  return direct ? "@Pictor" : `#${channel.name}`;
}
