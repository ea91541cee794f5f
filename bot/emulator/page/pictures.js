// Pictures that change without flicker: the next one is loaded and decoded before it is shown.

import { h } from "./dom.js";
import { avatarOf } from "./faces.js";

const TRIES = 4;
const RETRY_MS = 1500;

export class Picture {
  constructor(onopen, className = "picture") {
    this.image = h("img", { alt: "", draggable: "false" });
    const press = () => (this.covered ? this.cover(false) : onopen(this));
    this.root = h("button", { type: "button", class: `${className} loading`, onclick: press }, this.image);
    this.url = null;
    this.covered = false;
  }

  // A spoiler is covered until it is clicked; another picture in its place is covered again.
  show({ url, proxy, alt, width, height, spoiler = false }) {
    this.original = url;
    this.alt = alt || "Picture";
    const next = local(url, proxy);
    this.cover(next === this.url ? this.covered && spoiler : spoiler);
    if (next === this.url) return;
    this.url = next;
    if (!this.image.src && width && height) this.reserve(width, height);
    this.load(next);
  }

  // Words for those who cannot see it; whoever points at it reads them too.
  describe(text) {
    if (text) this.root.dataset.alt = text;
    else delete this.root.dataset.alt;
  }

  cover(covered) {
    this.covered = covered;
    this.root.classList.toggle("spoilered", covered);
    this.root.setAttribute("aria-label", covered ? "Spoiler: show the picture" : `Open ${this.alt}`);
    this.image.alt = covered ? "" : this.alt;
  }

  reserve(width, height) {
    this.image.setAttribute("width", width);
    this.image.setAttribute("height", height);
  }

  async load(url, tries = 1) {
    const loader = new Image();
    loader.src = url;
    try {
      await loader.decode();
    } catch {
      if (url !== this.url) return;
      this.root.classList.add("broken");
      if (tries < TRIES) setTimeout(() => url === this.url && this.load(url, tries + 1), tries * RETRY_MS);
      return;
    }
    if (url !== this.url) return;
    this.reserve(loader.naturalWidth, loader.naturalHeight);
    this.image.src = url;
    this.root.classList.remove("loading", "broken");
    this.root.classList.toggle("pixels", loader.naturalWidth <= 128);
  }
}

const AVATARS = /cdn\.discordapp\.com\/(?:embed\/)?avatars\/(\d+)/;

// Where this page finds a picture: through the server's proxy, whatever name the server goes by.
// Avatars that a bot takes from Discord's CDN are drawn by us.
export function local(url, proxy = null) {
  const avatar = AVATARS.exec(url);
  if (avatar) return avatarOf(avatar[1]);
  const path = /^https?:\/\/[^/]+(\/(?:cdn|media)\/.+)$/.exec(proxy ?? url);
  return path ? path[1] : url;
}
