// Pictures that take each other's place without flicker: the next one is decoded before it is shown.

import { h } from "./dom.js";

const PIXELS = 128; // smaller ones are drawn for their pixels: no smoothing

export function picture(url, alt, props = {}) {
  const image = h("img", { alt, draggable: "false", loading: "lazy", decoding: "async", ...props });
  image.addEventListener("load", () => image.classList.toggle("pixels", image.naturalWidth <= PIXELS));
  image.src = url;
  return image;
}

export async function swap(image, url) {
  if (image.dataset.wanted === url) return;
  image.dataset.wanted = url;
  const next = new Image();
  next.src = url;
  await next.decode().catch(() => {});
  if (image.dataset.wanted !== url || !next.naturalWidth) return;
  image.src = url;
  image.hidden = false;
}

// As a file of this name, where the server is ours; elsewhere a browser opens it beside the page.
export function save(url, name) {
  const link = h("a", { href: url, download: name, target: "_blank", rel: "noopener" });
  const same = new URL(url, location.href).origin === location.origin;
  if (same) link.removeAttribute("target");
  document.body.append(link);
  link.click();
  link.remove();
}
