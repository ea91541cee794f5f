// What the menus of messages and people offer.

import { avatarOf } from "./faces.js";
import { openMenu } from "./menu.js";

const USER = 2;
const MESSAGE = 3;

// `app` offers: offers(type), use(wish), mayErase(message), erase(message).
export function messageMenu(event, message, app) {
  openMenu(event, "Message", [
    apps(app.offers(MESSAGE), (command) => app.use({ command, message_id: message.id })),
    message.content && { label: "Copy text", icon: "copy", run: () => copy(message.content) },
    { label: "Copy message ID", icon: "id", run: () => copy(message.id) },
    app.mayErase(message) && { label: "Delete message", icon: "trash", danger: true, run: () => app.erase(message) },
  ]);
}

export function personMenu(event, person, app) {
  openMenu(event, person.global_name ?? person.username, [
    apps(app.offers(USER), (command) => app.use({ command, target: person.id })),
    { label: "Copy user ID", icon: "id", run: () => copy(person.id) },
  ]);
}

function apps(commands, use) {
  const items = commands.map(({ name }) => ({ label: name, picture: avatarOf("1"), run: () => use(name) }));
  return { label: "Apps", items: items.length ? items : [{ note: "No apps here" }] };
}

const copy = (text) => navigator.clipboard?.writeText(text).catch(() => {});
