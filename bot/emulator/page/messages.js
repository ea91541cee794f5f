// The channel's messages. Each message is a view made of slots, so that an edit touches only
// what it changes: words never disturb pictures, pictures never disturb buttons.

import { Slot, byId, h, icon, keyed } from "./dom.js";
import { dots, row } from "./components.js";
import { markdown, plain } from "./markdown.js";
import { messageMenu, personMenu } from "./menus.js";
import { avatarOf } from "./faces.js";
import { Layout } from "./layout.js";
import { Attachments, Embed, warning } from "./rich.js";
import { dayName, fully, moment, sameDay, timeOfDay } from "./times.js";

const EPHEMERAL = 64;
const LOADING = 128;
const V2 = 32768;
const TOGETHER_MS = 7 * 60 * 1000;
const PLAIN_MESSAGE = 0;
const MENU_REPLY = 23;

const views = new Map();

// `app` offers: see, person, press, erase, busy, failed, mayErase.
export function drawMessages(list, pending, app) {
  const rows = [];
  let before = null;
  for (const message of list) {
    if (!before || !sameDay(before.timestamp, message.timestamp)) rows.push({ day: message.timestamp });
    rows.push({ message, joined: joins(before, message) });
    before = message;
  }
  for (const interaction of pending) rows.push({ interaction });
  keyed(byId("messages"), views, rows, { key: keyOf, make: (item) => makeView(item, app) });
}

const keyOf = ({ day, message, interaction }) => (day ? `day ${dayName(day)}` : message ? message.id : `pending ${interaction.id}`);

function makeView({ day, message }, app) {
  if (day) return new DayView(day);
  return message ? new MessageView(app) : new PendingView(app);
}

function joins(before, message) {
  return Boolean(before) && before.author.id === message.author.id && message.type === PLAIN_MESSAGE &&
    !message.message_reference && !message.interaction && !((before.flags ^ message.flags) & EPHEMERAL) &&
    sameDay(before.timestamp, message.timestamp) &&
    new Date(message.timestamp) - new Date(before.timestamp) < TOGETHER_MS;
}

class DayView {
  constructor(day) {
    this.root = h("li", { class: "day", role: "separator" }, h("span", {}, dayName(day)));
  }

  update() {}
}

export const appTag = () => h("span", { class: "app-tag" }, "APP");

function avatar(person) {
  return h("img", { class: "avatar", src: avatarOf(person.id), alt: "", width: 40, height: 40, loading: "lazy" });
}

function name(person, app) {
  const open = (event) => personMenu(event, person, app);
  const props = { type: "button", class: "author", style: { color: app.see.colourOf(person.id) }, "aria-haspopup": "menu" };
  return h("button", { ...props, onclick: open }, app.see.person(person.id) ?? person.username);
}

class MessageView {
  constructor(app) {
    this.app = app;
    this.above = new Slot("div", "above");
    this.side = new Slot("div", "side");
    this.head = new Slot("div", "head");
    this.words = new Slot("div", "words");
    this.attachments = new Attachments();
    this.embeds = h("div", { class: "embeds" });
    this.embedViews = new Map();
    this.components = new Slot("div", "components");
    this.layout = new Layout("layout");
    this.warning = new Slot("div", "");
    this.below = new Slot("div", "below");
    this.tools = new Slot("div", "tools");
    const body = h("div", { class: "body" }, this.head.root, this.words.root, this.attachments.root,
      this.embeds, this.layout.root, this.components.root, this.warning.root, this.below.root);
    this.root = h("li", { class: "message", role: "article", tabindex: -1 }, this.above.root, this.side.root, body, this.tools.root);
    this.root.addEventListener("contextmenu", (event) => this.offer(event));
  }

  // The second mouse button, as in Discord: on a face or a name for people, elsewhere for the message.
  offer(event) {
    if (event.target.closest("a") || !getSelection().isCollapsed || this.message.flags & EPHEMERAL) return;
    if (event.target.closest(".avatar, .head .author")) personMenu(event, this.message.author, this.app);
    else messageMenu(event, this.message, this.app);
  }

  update({ message, joined }) {
    const { app } = this;
    this.message = message;
    const own = message.only_for || message.flags & EPHEMERAL;
    const pinged = message.mentions.some((user) => user.id === app.me()) || message.mention_everyone;
    this.root.dataset.id = message.id;
    this.root.className = ["message", joined && "joined", own && "private", pinged && "pinged"].filter(Boolean).join(" ");
    this.root.setAttribute("aria-label", `${app.see.person(message.author.id)}, ${moment(message.timestamp)}`);
    this.above.show(joined ? null : aboveOf(message, app), (value) => drawAbove(value, app));
    this.side.show({ joined, author: message.author.id, at: message.timestamp }, () =>
      joined ? h("time", { class: "late" }, timeOfDay(message.timestamp)) : avatar(message.author));
    this.head.show(joined ? null : { author: message.author, at: message.timestamp }, () => drawHead(message, app));
    this.words.show(wordsOf(message), (value) => drawWords(value, app));
    // A layout shows its files itself.
    this.attachments.update(message.flags & V2 ? [] : message.attachments);
    this.drawEmbeds(message);
    this.drawComponents(message);
    this.below.show(own ? message.id : null, () => drawPrivate(message, app));
    this.tools.show(own ? null : { id: message.id, erase: app.mayErase(message) }, ({ erase }) => this.drawTools(erase));
  }

  drawEmbeds(message) {
    const hidden = message.flags & 4;
    const items = hidden ? [] : message.embeds.map((embed, index) => ({ embed, index }));
    this.embeds.hidden = items.length === 0;
    keyed(this.embeds, this.embedViews, items, { key: (item) => item.index, make: () => new Embed(this.app.see) });
  }

  drawComponents(message) {
    const { app } = this;
    const busy = app.busy(message.id);
    const draw = (each) => row(each, {
      busy, choices: app.choices, buy: app.buy, sku: app.sku, press: (customId, values) => app.press(message, customId, values),
    });
    const laid = Boolean(message.flags & V2);
    this.layout.root.hidden = !laid;
    this.layout.update(laid ? message.components : [], { see: app.see, row: draw, busy });
    const rows = laid || !message.components.length ? null : { components: message.components, busy };
    this.components.show(rows, ({ components }) => components.map(draw));
    this.warning.show(app.failed(message.id), warning);
  }

  drawTools(erase) {
    const tool = (label, name, onclick, more = {}) =>
      h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...more }, icon(name));
    const open = (event) => messageMenu(event, this.message, this.app);
    return [
      tool("More", "more", open, { "aria-haspopup": "menu" }),
      erase && tool("Delete message", "trash", () => this.app.erase(this.message), { class: "icon-button danger" }),
    ];
  }
}

const used = (name, user, menu) => ({ used: menu ? name : `/${name}`, user });

function aboveOf(message, app) {
  if (message.interaction) return used(message.interaction.name, message.interaction.user.id, message.type === MENU_REPLY);
  const target = message.referenced_message;
  if (message.message_reference && !target) return { gone: true };
  if (!target) return null;
  const text = plain(target.content || said(target.components), app.see).slice(0, 140);
  return { user: target.author.id, text: text || "Click to see attachment", to: target.id };
}

// The first words of a layout.
function said(components) {
  for (const component of components ?? []) {
    const words = component.content ?? said(component.components);
    if (words) return words;
  }
  return "";
}

function drawAbove(value, app) {
  const small = (id) => h("img", { class: "small-avatar", src: avatarOf(id), alt: "", width: 16, height: 16 });
  const who = (id) => h("span", { class: "author", style: { color: app.see.colourOf(id) } }, app.see.person(id));
  const spine = h("span", { class: "spine", "aria-hidden": "true" });
  if (value.gone) return [spine, h("em", {}, "Original message was deleted")];
  if (value.used) return [spine, small(value.user), who(value.user), " used ", h("span", { class: "mention" }, value.used)];
  const go = () => app.goTo(value.to);
  return [spine, small(value.user), who(value.user), h("button", { type: "button", class: "quote", onclick: go }, value.text)];
}

function drawHead(message, app) {
  const at = h("time", { class: "at", datetime: message.timestamp, title: fully(message.timestamp) }, moment(message.timestamp));
  return [name(message.author, app), message.author.bot && appTag(), at];
}

function wordsOf(message) {
  if (message.flags & LOADING) return { thinking: message.author.id };
  if (!message.content) return null;
  return { content: message.content, edited: message.edited_timestamp };
}

function drawWords({ thinking, content, edited }, app) {
  if (thinking) return h("span", { class: "thinking", role: "status" }, dots(), `${app.see.person(thinking)} is thinking…`);
  const note = edited && h("time", { class: "edited", datetime: edited, title: fully(edited) }, "(edited)");
  return [...markdown(content, app.see), note];
}

function drawPrivate(message, app) {
  const dismiss = () => app.erase(message);
  return [icon("eye"), h("span", {}, "Only you can see this • "),
    h("button", { type: "button", class: "link-button", onclick: dismiss }, "Dismiss message")];
}

// A command on its way: shown in the place of an answer until there is one.
class PendingView {
  constructor(app) {
    this.app = app;
    this.slot = new Slot("div", "pending");
    this.root = h("li", { class: "message private" }, this.slot.root);
  }

  update({ interaction }) {
    const { app } = this;
    const bot = { id: interaction.bot, username: "Pictor", bot: true };
    this.slot.show(interaction, ({ name: command, menu, user_id: user, state, error }) => [
      h("div", { class: "above" }, drawAbove(used(command, user, menu), app)),
      h("div", { class: "side" }, avatar(bot)),
      h("div", { class: "body" },
        h("div", { class: "head" }, name(bot, app), appTag()),
        state === "pending"
          ? h("span", { class: "thinking", role: "status" }, dots(), "Sending command…")
          : [warning(error), drawGone(interaction, app)]),
    ]);
  }
}

function drawGone(interaction, app) {
  const dismiss = () => app.forget(interaction);
  return h("div", { class: "below" }, icon("eye"), h("span", {}, "Only you can see this • "),
    h("button", { type: "button", class: "link-button", onclick: dismiss }, "Dismiss message"));
}
