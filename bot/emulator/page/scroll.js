// The scroller stays at the newest message while one reads there, and leaves readers of old ones alone.

import { byId, h, icon } from "./dom.js";

const NEAR_PX = 80;

export class Scroller {
  constructor() {
    this.root = byId("scroller");
    this.pinned = true;
    this.missed = 0;
    this.top = 0;
    this.root.addEventListener("scroll", () => this.moved(), { passive: true });
    const settle = () => this.pinned && this.toEnd();
    const watcher = new ResizeObserver(settle);
    watcher.observe(byId("history"));
    watcher.observe(this.root);
    byId("jump").addEventListener("click", () => this.pin());
  }

  moved() {
    const { scrollTop, clientHeight, scrollHeight } = this.root;
    // Only a reader moving up lets go of the end: growing content moves nobody.
    if (scrollHeight - scrollTop - clientHeight < NEAR_PX) this.pinned = true;
    else if (scrollTop < this.top) this.pinned = false;
    this.top = scrollTop;
    if (this.pinned) this.missed = 0;
    this.draw();
  }

  toEnd() {
    this.root.scrollTop = this.root.scrollHeight;
  }

  pin() {
    this.pinned = true;
    this.missed = 0;
    this.toEnd();
    this.draw();
  }

  // A message came in: count it if it is out of sight.
  arrived() {
    if (this.pinned) return;
    this.missed += 1;
    this.draw();
  }

  draw() {
    const jump = byId("jump");
    jump.hidden = this.pinned;
    const text = this.missed ? `${this.missed} new message${this.missed > 1 ? "s" : ""}` : "Jump to present";
    jump.replaceChildren(h("span", {}, text), icon("down"));
  }
}
