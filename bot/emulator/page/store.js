// What the page knows, and how events change it. No drawing here.

const FORM = 5;

export class Store {
  constructor(me) {
    Object.assign(this, {
      me, people: [], roles: [], channels: [], commands: {}, guild: null, online: false, boot: null,
      channel: null, messages: new Map(), interactions: new Map(), clicks: new Map(), failures: new Map(),
      typing: new Map(), unread: new Set(), unseen: 0, backlog: null, shop: [],
    });
  }

  take(world) {
    this.people = world.people;
    this.roles = world.guild.roles;
    this.guild = world.guild;
    this.channels = world.channels;
    this.commands = world.commands;
    this.shop = world.shop;
    this.online = world.bot_online;
    this.boot = world.boot;
    if (!this.channels.some((c) => c.id === this.channel)) this.channel = this.channels[0]?.id ?? null;
  }

  // What may be used in the channel that is shown: slash commands 1, people's menus 2, messages' menus 3.
  offers(type) {
    return (this.commands[this.channel] ?? []).filter((command) => command.type === type);
  }

  // What selects of people 5, roles 6, both 7, and channels 8 offer.
  choices(type) {
    const people = this.people.map((p) => ({ label: p.name, value: p.user.id }));
    const roles = this.roles.filter((r) => r.position > 0).map((r) => ({ label: `@${r.name}`, value: r.id }));
    const channels = this.channels.filter((c) => c.type === 0).map((c) => ({ label: `#${c.name}`, value: c.id }));
    return { 5: people, 6: roles, 7: [...people, ...roles], 8: channels }[type] ?? [];
  }

  fill(channel, list) {
    this.messages.set(channel, new Map(list.map((m) => [m.id, m])));
  }

  list() {
    return [...(this.messages.get(this.channel)?.values() ?? [])];
  }

  // Commands on their way; an answer may be here before the word that there is one.
  pending() {
    const answered = new Set(this.list().map((m) => m.interaction_metadata?.id));
    return [...this.interactions.values()].filter(
      (i) => i.type === 2 && i.channel_id === this.channel && i.state !== "answered" && !answered.has(i.id));
  }

  sku(id) {
    return this.shop.find((s) => s.id === id);
  }

  person(id) {
    return this.people.find((p) => p.user.id === id);
  }

  write(message) {
    const place = this.messages.get(message.channel_id);
    if (!place) return false;
    const fresh = !place.has(message.id);
    place.set(message.id, message);
    this.failures.delete(message.id);
    this.typing.delete(`${message.channel_id} ${message.author.id}`);
    return fresh;
  }

  erase({ id, channel_id: channel }) {
    this.messages.get(channel)?.delete(id);
  }

  // An interaction's new state; returns a modal that it opened.
  follow(interaction) {
    const { id, state, source_id: source, type } = interaction;
    if (state === "answered") this.interactions.delete(id);
    else this.interactions.set(id, { ...interaction, bot: this.bot().user.id });
    if (source && state !== "pending") this.clicks.delete(source);
    if (source && state === "failed" && type !== FORM) this.failures.set(source, "This interaction failed");
    if (type !== 2 && state === "failed") this.interactions.delete(id);
    return state === "answered" ? interaction.modal : null;
  }

  bot() {
    return this.people.find((p) => p.user.bot);
  }

  typists() {
    const now = Date.now();
    return [...this.typing]
      .filter(([key, until]) => until > now && key.startsWith(`${this.channel} `))
      .map(([key]) => key.split(" ")[1])
      .filter((id) => id !== this.me)
      .map((id) => this.person(id)?.name)
      .filter(Boolean);
  }
}
