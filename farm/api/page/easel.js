// The room where one draws: the box for words above, what came of them below, the newest first.

import { attempt } from "./acts.js";
import { Card } from "./card.js";
import { ImagineBox } from "./imagine.js";
import { button, empty, h } from "./dom.js";
import { folder } from "./jobs.js";
import { learn } from "./loves.js";
import { catalog } from "./shelf.js";

const MOST_IDEAS = 4;

export function easel(view) {
  const box = new ImagineBox();
  const feed = h("div", { class: "feed" });
  const more = h("div", { class: "row", hidden: true });
  view.append(h("div", { class: "column" }, box.root, feed, more));
  const cards = new Map();
  const list = () => drawList(feed, cards, box);
  const change = ({ detail }) => folder.jobs.has(detail) && cards.get(detail)?.update(folder.jobs.get(detail));
  folder.addEventListener("listed", list);
  folder.addEventListener("changed", change);
  const watch = endWatch(view, more);
  attempt(() => folder.start()).then(() => { list(); watch.look(); });
  learn();
  box.open();
  return () => {
    folder.removeEventListener("listed", list);
    folder.removeEventListener("changed", change);
    watch.close();
    box.close();
  };
}

// Cards stay where they are in the page: moved ones would load their pictures anew.
function drawList(feed, cards, box) {
  const jobs = folder.list();
  let next = feed.firstElementChild;
  if (jobs.length && next?.classList.contains("empty")) next.remove();
  next = feed.firstElementChild;
  for (const job of jobs) {
    if (!cards.has(job.id)) cards.set(job.id, new Card(job));
    const { root } = cards.get(job.id);
    if (root === next) next = next.nextElementSibling;
    else feed.insertBefore(root, next);
  }
  if (jobs.length === 0) feed.replaceChildren(welcome(box));
}

// What the usual model draws well, in the words of whoever put it into the catalog.
function welcome(box) {
  const chips = h("div", { class: "chips" });
  catalog().then(({ models }) => {
    const ideas = models.find((one) => one.default)?.examples ?? [];
    chips.append(...ideas.slice(0, MOST_IDEAS).map((idea) => h("button", { type: "button", class: "chip", onclick: () => box.fill(idea) }, idea)));
  });
  return empty("draw", "What shall it be?", "Describe a picture above and press Enter.", chips);
}

// The next page comes when its end comes near.
function endWatch(view, more) {
  const load = async () => {
    if (more.hidden || more.dataset.busy) return;
    more.dataset.busy = "1";
    await attempt(() => folder.more());
    delete more.dataset.busy;
    look();
  };
  const look = () => {
    more.hidden = !folder.cursor;
    if (!more.hidden && view.scrollHeight < view.clientHeight * 1.5) load();
  };
  more.append(button("Show older ones", load, { kind: "quiet" }));
  const watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && load(), { root: view, rootMargin: "600px" });
  watcher.observe(more);
  return { look, close: () => watcher.disconnect() };
}
