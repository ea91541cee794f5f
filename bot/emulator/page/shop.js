// The application's shop: what is for sale, and the question before the money goes.

import { byId, h, icon } from "./dom.js";
import { moment } from "./times.js";

const SUBSCRIPTION = 5;
const FOR_GUILDS = 1 << 7;
const ENDING = 1;

const box = () => byId("shop");
const closer = () => h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => box().close() }, icon("close"));

function open(title, ...parts) {
  box().replaceChildren(h("header", {}, h("h2", { id: "shop-title" }, title), closer()), ...parts);
  if (!box().open) box().showModal();
}

// `app` offers: shop(), buyNow(sku), cancelNow(sku), each a promise of whether it went well.
export function openShop(app) {
  open("Pictor's store", h("ul", { class: "goods" }, app.shop().map((sku) => good(sku, app))));
}

function good(sku, app) {
  const { standing } = sku;
  const again = () => openShop(app);
  const cancel = () => app.cancelNow(sku).then(again);
  const action = standing
    ? standing.status === ENDING
      ? h("span", { class: "standing" }, `Ends ${moment(standing.current_period_end)}`)
      : h("button", { type: "button", class: "button secondary", onclick: cancel }, "Cancel subscription")
    : h("button", { type: "button", class: "button premium", data: { sku: sku.id }, onclick: () => openPurchase(sku, app) }, sku.price);
  return h("li", { class: "good" }, icon("shop"), h("span", { class: "member-words" }, h("b", {}, sku.name),
    h("small", {}, kind(sku), standing && standing.status !== ENDING && ` • renews ${moment(standing.current_period_end)}`)), action);
}

function kind(sku) {
  if (sku.type !== SUBSCRIPTION) return "One-time purchase";
  return sku.flags & FOR_GUILDS ? "Monthly, for everybody in this server" : "Monthly, for you";
}

export function openPurchase(sku, app) {
  const pay = h("button", { type: "button", class: "button success" }, sku.type === SUBSCRIPTION ? "Subscribe" : "Buy");
  pay.addEventListener("click", async () => {
    pay.disabled = true;
    if (await app.buyNow(sku)) open("Thank you!", h("p", { class: "shop-words" }, `${sku.name} is yours now.`), foot());
    else box().close();
  });
  open(`Buy ${sku.name}?`,
    h("p", { class: "shop-words" }, `${kind(sku)}. ${sku.price}. Nothing is charged here: this Discord's money is not real.`), foot(pay));
}

const foot = (...buttons) => h("footer", {}, h("button", { type: "button", class: "button link-like", onclick: () => box().close() }, "Close"), buttons);
