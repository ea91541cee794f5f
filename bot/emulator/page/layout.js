// Components v2: containers, sections, text, galleries, files, separators. An edit touches only what
// it changes, so a picture that stays is neither fetched nor covered again.

import { Slot, h, keyed } from "./dom.js";
import { openLightbox } from "./lightbox.js";
import { markdown } from "./markdown.js";
import { Picture, local } from "./pictures.js";
import { size } from "./rich.js";

const KINDS = {
  1: () => Row, 9: () => Section, 10: () => Words, 11: () => Thumbnail, 12: () => Gallery, 13: () => File, 14: () => Separator,
  17: () => Container,
};

// `context`: see, row(component) draws a row of buttons or a select, busy is the custom id that waits.
export class Layout {
  constructor(className) {
    this.views = new Map();
    this.root = h("div", { class: className });
  }

  update(components, context) {
    const items = components.filter((c) => c.type in KINDS).map((component, place) => ({ component, place, context }));
    keyed(this.root, this.views, items, {
      key: ({ component, place }) => `${component.type}:${place}`,
      make: ({ component }) => new (KINDS[component.type]())(),
    });
  }
}

class Row {
  constructor() {
    this.slot = new Slot("div", "");
    this.root = this.slot.root;
  }

  update({ component, context }) {
    this.slot.show({ component, busy: context.busy }, () => context.row(component));
  }
}

class Words {
  constructor() {
    this.slot = new Slot("div", "words");
    this.root = this.slot.root;
  }

  update({ component, context }) {
    this.slot.show(component.content, (content) => markdown(content, context.see));
  }
}

class Section {
  constructor() {
    this.words = new Layout("section-words");
    this.aside = new Layout("section-aside");
    this.root = h("div", { class: "section" }, this.words.root, this.aside.root);
  }

  update({ component, context }) {
    const { accessory } = component;
    this.words.update(component.components, context);
    this.aside.update([accessory.type === 2 ? { type: 1, components: [accessory] } : accessory], context);
  }
}

class Gallery {
  constructor() {
    this.views = new Map();
    this.root = h("div", { class: "gallery" });
  }

  update({ component }) {
    this.root.dataset.count = component.items.length;
    const items = component.items.map((item, place) => ({ item, place, alone: component.items.length === 1 }));
    keyed(this.root, this.views, items, { key: ({ place }) => place, make: () => new Item("picture") });
  }
}

class Item {
  constructor(className) {
    this.picture = new Picture(openLightbox, className);
    this.root = this.picture.root;
  }

  update({ item, alone = true }) {
    const { media, description, spoiler } = item;
    const { url, proxy_url: proxy, width, height } = media;
    this.picture.show({ url, proxy, width: alone ? width : null, height: alone ? height : null, alt: description, spoiler });
    this.picture.describe(description);
  }
}

class Thumbnail extends Item {
  constructor() {
    super("picture thumbnail");
  }

  update({ component }) {
    super.update({ item: component });
  }
}

class File {
  constructor() {
    this.slot = new Slot("div", "file");
    this.root = this.slot.root;
  }

  update({ component }) {
    this.slot.show(component, ({ file, name, size: bytes }) => [
      h("a", { href: local(file.url, file.proxy_url), download: name, target: "_blank", rel: "noreferrer" }, name),
      h("span", { class: "file-size" }, size(bytes))]);
  }
}

class Separator {
  constructor() {
    this.root = h("div", { role: "separator" });
  }

  update({ component }) {
    const { divider, spacing } = component;
    this.root.className = ["separator", divider === false ? "" : "line", spacing === 2 ? "wide" : ""].join(" ").trim();
  }
}

const colour = (number) => `#${number.toString(16).padStart(6, "0")}`;

class Container {
  constructor() {
    this.inside = new Layout("container-inside");
    this.cover = h("button", { type: "button", class: "cover", hidden: true, onclick: () => this.uncover() }, "Spoiler");
    this.root = h("div", { class: "container" }, this.inside.root, this.cover);
    this.seen = false;
  }

  update({ component, context }) {
    const { accent_color: accent, spoiler, components } = component;
    this.root.style.setProperty("--edge", accent == null ? "transparent" : colour(accent));
    this.root.classList.toggle("accented", accent != null);
    this.spoiler = spoiler;
    this.inside.update(components, context);
    this.draw();
  }

  uncover() {
    this.seen = true;
    this.draw();
  }

  draw() {
    const covered = Boolean(this.spoiler) && !this.seen;
    this.cover.hidden = !covered;
    this.inside.root.inert = covered;
    this.root.classList.toggle("covered", covered);
  }
}
