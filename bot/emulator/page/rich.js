// What stands below a message's words: embeds and attachments.

import { Slot, h, icon, keyed } from "./dom.js";
import { inline, markdown } from "./markdown.js";
import { openLightbox } from "./lightbox.js";
import { Picture, local } from "./pictures.js";
import { moment } from "./times.js";

const isPicture = (a) => (a.content_type ?? "").startsWith("image/") || /\.(png|jpe?g|gif|webp|avif)$/i.test(a.filename);
const colour = (number) => (number == null ? null : `#${number.toString(16).padStart(6, "0")}`);
const SPOILER = "SPOILER_";
export const size = (bytes) => (bytes > 1048576 ? `${(bytes / 1048576).toFixed(2)} MB` : `${(bytes / 1024).toFixed(2)} KB`);

export class Embed {
  constructor(see) {
    this.see = see;
    this.words = new Slot("div", "embed-words");
    this.foot = new Slot("div", "embed-foot");
    this.thumbnail = new Picture(openLightbox, "picture embed-thumbnail");
    this.picture = new Picture(openLightbox, "picture embed-picture");
    this.root = h("article", { class: "embed" }, this.words.root, this.thumbnail.root, this.picture.root, this.foot.root);
  }

  update({ embed }) {
    this.root.style.setProperty("--edge", colour(embed.color) ?? "var(--edge-plain)");
    const { author, title, url, description, fields, footer, timestamp } = embed;
    const words = author?.name || title || description || fields?.length ? { author, title, url, description, fields } : null;
    this.words.show(words, (parts) => embedWords(parts, this.see));
    this.foot.show(footer || timestamp ? { footer, timestamp } : null, embedFoot);
    // A bare link to a picture is shown as the picture, large and without a frame.
    const bare = embed.type === "image";
    this.root.classList.toggle("bare", bare);
    showOrHide(this.thumbnail, bare ? null : embed.thumbnail, title);
    showOrHide(this.picture, bare ? embed.thumbnail : embed.image, title);
  }
}

function showOrHide(picture, source, title) {
  picture.root.hidden = !source?.url;
  if (!source?.url) return;
  const { url, proxy_url: proxy, width, height, description } = source;
  picture.show({ url, proxy, width, height, alt: description || title || "Picture" });
}

function embedWords({ author, title, url, description, fields }, see) {
  const linked = (text, href) => (href ? h("a", { href, target: "_blank", rel: "noreferrer noopener" }, text) : text);
  return [
    author?.name && h("div", { class: "embed-author" }, author.icon_url && face(author), linked(author.name, author.url)),
    title && h("div", { class: "embed-title" }, linked(inline(title, see), url)),
    description && h("div", { class: "embed-description words" }, markdown(description, see)),
    fields?.length ? h("div", { class: "embed-fields" }, fields.map((f) => embedField(f, see))) : null,
  ];
}

const face = (author) => h("img", { src: local(author.icon_url, author.proxy_icon_url), alt: "", width: 24, height: 24 });

function embedField({ name, value, inline: beside }, see) {
  return h("div", { class: beside ? "embed-field beside" : "embed-field" },
    h("div", { class: "embed-field-name" }, inline(name, see)),
    h("div", { class: "embed-field-value words" }, markdown(value, see)));
}

function embedFoot({ footer, timestamp }) {
  const texts = [footer?.text, timestamp && moment(timestamp)].filter(Boolean);
  return [footer?.icon_url && face(footer), h("span", {}, texts.join(" • "))];
}

export class Attachments {
  constructor() {
    this.views = new Map();
    this.root = h("div", { class: "attachments", hidden: true });
  }

  update(attachments) {
    this.root.hidden = attachments.length === 0;
    this.root.dataset.count = attachments.length;
    keyed(this.root, this.views, attachments, {
      key: (a) => `${isPicture(a) ? "picture" : a.id}:${attachments.indexOf(a)}`,
      make: (a) => (isPicture(a) ? new AttachedPicture() : new AttachedFile()),
    });
  }
}

class AttachedPicture {
  constructor() {
    this.picture = new Picture(openLightbox);
    this.root = this.picture.root;
  }

  update({ url, proxy_url: proxy, description, filename, width, height }) {
    this.picture.show({ url, proxy, width, height, alt: description || filename, spoiler: filename.startsWith(SPOILER) });
    this.picture.describe(description);
  }
}

class AttachedFile {
  constructor() {
    this.root = h("div", { class: "file" });
  }

  update({ url, filename, size: bytes }) {
    this.root.replaceChildren(
      h("a", { href: local(url), download: filename, target: "_blank", rel: "noreferrer" }, filename),
      h("span", { class: "file-size" }, size(bytes)));
  }
}

export const warning = (text) => h("p", { class: "warning" }, icon("warn"), h("span", {}, text));
