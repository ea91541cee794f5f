// Small questions in a dialog of their own.

import { button, byId, h, iconButton } from "./dom.js";
import { gpuTime, several } from "./words.js";

export function openModal(title, ...content) {
  const box = byId("modal");
  box.replaceChildren(
    h("header", {}, h("h2", { id: "modal-title" }, title), iconButton("close", "Close", () => box.close())), ...content);
  if (!box.open) {
    box.showModal();
    box.addEventListener("close", () => box.replaceChildren(), { once: true }); // nothing of it is left in the page
  }
  return box;
}

// True once the person agrees; every other way out is a no.
export function confirmed(title, words, { yes = "Yes", kind = "primary" } = {}) {
  return new Promise((answer) => {
    let agreed = false;
    const agree = () => {
      agreed = true;
      box.close();
    };
    const box = openModal(title,
      h("div", { class: "modal-body" }, h("p", {}, words),
        h("footer", {}, button("Cancel", () => box.close(), { kind: "quiet" }), button(yes, agree, { kind, autofocus: true }))));
    box.addEventListener("close", () => answer(agreed), { once: true });
  });
}

export function confirmMany(quote) {
  const words = `This makes ${several(quote.jobs, "job")} and may cost up to ${gpuTime(quote.price_ms)}.`;
  return confirmed("Draw all of these?", words, { yes: `Draw ${several(quote.jobs, "job")}` });
}
