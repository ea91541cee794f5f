// A picture on its own, large; arrows go through all pictures of the channel.

import { byId, h, icon } from "./dom.js";

let shown = [];
let place = 0;

const box = () => byId("lightbox");

export function openLightbox(picture) {
  if (picture.root.classList.contains("loading") || picture.root.classList.contains("broken")) return;
  shown = [...byId("messages").querySelectorAll(".picture:not([hidden], .spoilered) > img[src]")];
  place = Math.max(0, shown.indexOf(picture.image));
  draw(picture.original);
  if (!box().open) box().showModal();
}

function draw(original) {
  const image = shown[place];
  const several = shown.length > 1;
  const step = (by) => () => go(by);
  const view = h("img", { class: image.naturalWidth <= 128 ? "large pixels" : "large", src: image.src, alt: image.alt });
  const parts = [
    h("button", { class: "icon-button close", type: "button", "aria-label": "Close", onclick: () => box().close() }, icon("close")),
    several && h("button", { class: "icon-button previous", type: "button", "aria-label": "Previous picture", onclick: step(-1) }, icon("left")),
    h("figure", {}, view, h("figcaption", {},
      h("a", { href: original ?? image.src, target: "_blank", rel: "noreferrer noopener" }, "Open in browser"),
      h("span", {}, `${image.naturalWidth} × ${image.naturalHeight}`),
      several && h("span", {}, `${place + 1} of ${shown.length}`))),
    several && h("button", { class: "icon-button next", type: "button", "aria-label": "Next picture", onclick: step(1) }, icon("right")),
  ];
  box().replaceChildren(...parts.filter(Boolean));
}

function go(by) {
  place = (place + by + shown.length) % shown.length;
  draw(shown[place].src);
}

export function setUpLightbox() {
  box().addEventListener("click", (event) => {
    if (event.target === box() || event.target.tagName === "FIGURE") box().close();
  });
  box().addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && shown.length > 1) {
      event.preventDefault();
      go(by);
    }
  });
}
