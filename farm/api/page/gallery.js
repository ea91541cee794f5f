// Pictures on a wall: one's own, those one marked, and those of the server that the key is of.

import { attempt } from "./acts.js";
import { get, query } from "./api.js";
import { button, empty, h } from "./dom.js";
import { me } from "./door.js";
import { learn, note } from "./loves.js";
import { picture } from "./pictures.js";
import { openById } from "./sheet.js";
import { taken } from "./words.js";

const WALLS = {
  mine: ["Mine", "/v1/gallery", { of: "mine" }],
  loved: ["Favourites", "/v1/favourites", {}],
  server: ["Server", "/v1/gallery", { of: "server" }],
};
const PAGE = 24;

export function gallery(view, rest) {
  const shown = WALLS[rest] ? rest : "mine";
  const wall = h("div", { class: "wall" });
  const more = h("div", { class: "row", hidden: true });
  const chips = Object.entries(WALLS).filter(([name]) => name !== "server" || me.key.guild_id)
    .map(([name, [title]]) => h("a", { class: "chip", href: `#/gallery/${name}`, "aria-pressed": String(name === shown), role: "button" }, title));
  view.append(h("div", { class: "column stack" }, h("div", { class: "chips" }, chips), wall, more));
  learn();
  const [, path, asked] = WALLS[shown];
  const hang = hanger(wall, more, path, asked, shown);
  more.append(button("Show more", () => hang(), { kind: "quiet" }));
  hang();
  const watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && !more.hidden && hang(), { root: view, rootMargin: "800px" });
  watcher.observe(more);
  return () => watcher.disconnect();
}

function hanger(wall, more, path, asked, shown) {
  let before = null;
  let busy = false;
  return async () => {
    if (busy) return;
    busy = true;
    const page = await attempt(() => get(`${path}${query({ ...asked, limit: PAGE, before })}`));
    busy = false;
    if (!page) return;
    before = page.next;
    more.hidden = !before;
    wall.append(...page.data.map(hung));
    if (!wall.children.length) wall.replaceWith(bare(shown));
  };
}

function hung(one) {
  note(one.job, one.index, one.favourite);
  const [words] = taken(one.prompt);
  return h("button", { type: "button", class: "hung", "aria-label": `Open ${words || "picture"}`, "--ratio": String(one.width / one.height), onclick: () => openById(one.job, one.index) },
    picture(one.url, words), h("span", { class: "hung-words" }, h("span", {}, words)));
}

function bare(shown) {
  if (shown === "loved") return empty("heart", "Nothing marked yet", "Press the heart on a picture and it hangs here.");
  return empty("wall", "Nothing hangs here yet", "What you draw hangs here once it is finished.", h("a", { class: "button primary", href: "#/draw" }, "Draw something"));
}

