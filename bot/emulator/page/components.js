// Buttons and selects under a message, and what they look like while their click is under way.

import { h, icon } from "./dom.js";

const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link", 6: "premium" };
const CELL = 5;
const PREMIUM = 6;
export const dots = () => h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));

// `busy` is the custom id whose click waits for an answer, if any.
// `buy` and `sku` are of the shop, for premium buttons.
export function row(component, { busy, press, choices, buy, sku }) {
  const children = component.components.map((child) =>
    child.type === 2 ? button(child, { busy, press, buy, sku }) : select(child, { busy, press, choices }));
  const buttons = component.components.filter((child) => child.type === 2);
  // Five short labels side by side, like the cells of a grid, stay side by side on a telephone.
  const tight = buttons.length === 5 && buttons.every((b) => (b.label ?? "").length + (b.emoji ? 2 : 0) <= CELL);
  return h("div", { class: tight ? "row tight" : "row", data: { buttons: buttons.length } }, children);
}

function button(component, { busy, press, buy, sku }) {
  if (component.style === PREMIUM) return premium(sku(component.sku_id), { buy, disabled: component.disabled });
  const label = [emoji(component.emoji), component.label && h("span", { class: "label" }, component.label)];
  const className = `button ${STYLES[component.style] ?? "secondary"}`;
  if (component.style === 5) {
    const props = { class: className, href: component.url, target: "_blank", rel: "noreferrer noopener" };
    return h("a", props, label, icon("out"));
  }
  const waiting = busy === component.custom_id;
  const props = {
    type: "button",
    class: waiting ? `${className} waiting` : className,
    disabled: component.disabled || Boolean(busy),
    "aria-busy": waiting ? "true" : null,
    "aria-label": component.label ? null : component.emoji?.name,
    data: { customId: component.custom_id },
    onclick: () => press(component.custom_id),
  };
  return h("button", props, label, waiting && dots());
}

// Discord writes the name and the price itself, and sells without asking the bot.
function premium(item, { buy, disabled }) {
  const words = item ? [h("span", { class: "label" }, item.name), h("span", { class: "price" }, item.price)] : "Not for sale";
  const props = { type: "button", class: "button premium", disabled: disabled || !item, data: { sku: item?.id } };
  return h("button", { ...props, onclick: () => buy(item) }, icon("shop"), words);
}

function emoji(given) {
  if (!given) return null;
  if (given.name === "🔄") return h("span", { class: "emoji", "aria-hidden": "true" }, icon("again")); // few fonts have it
  if (!given.id) return h("span", { class: "emoji", "aria-hidden": "true" }, given.name);
  return h("span", { class: "emoji" }, `:${given.name}:`);
}

function select(component, context) {
  const options = component.type === 3 ? component.options : context.choices(component.type);
  const chosen = new Set(options.filter((o) => o.default).map((o) => o.value));
  const most = component.max_values ?? 1;
  const list = h("ul", { class: "options", role: "listbox", hidden: true, "aria-multiselectable": String(most > 1) });
  const face = h("button", {
    type: "button", class: "select", "aria-haspopup": "listbox", "aria-expanded": "false",
    disabled: component.disabled || Boolean(context.busy),
    data: { customId: component.custom_id },
  });
  const root = h("div", { class: "select-holder" }, face, list);
  const model = { component, options, chosen, most, face, list, root, press: context.press };
  face.addEventListener("click", () => toggle(model, list.hidden));
  root.addEventListener("keydown", (event) => steer(model, event));
  root.addEventListener("focusout", (event) => root.contains(event.relatedTarget) || toggle(model, false));
  if (context.busy === component.custom_id) face.classList.add("waiting");
  drawFace(model);
  drawOptions(model);
  return root;
}

function drawFace({ component, options, chosen, face }) {
  const labels = options.filter((o) => chosen.has(o.value)).map((o) => o.label);
  const text = labels.join(", ") || component.placeholder || "Make a selection";
  face.replaceChildren(h("span", { class: labels.length ? "" : "placeholder" }, text), icon("down"));
}

function drawOptions(model) {
  model.list.replaceChildren(...model.options.map((option) => {
    const on = model.chosen.has(option.value);
    const props = { role: "option", tabindex: -1, "aria-selected": String(on), onclick: () => choose(model, option) };
    return h("li", props, emoji(option.emoji),
      h("span", { class: "option-words" }, option.label, option.description && h("small", {}, option.description)),
      model.most > 1 && h("span", { class: on ? "tick on" : "tick" }));
  }));
}

function choose(model, option) {
  if (model.most === 1) {
    model.chosen.clear();
    model.chosen.add(option.value);
    toggle(model, false);
    drawFace(model);
    model.press(model.component.custom_id, [option.value]);
    return;
  }
  if (model.chosen.has(option.value)) model.chosen.delete(option.value);
  else if (model.chosen.size < model.most) model.chosen.add(option.value);
  model.changed = true;
  const place = model.options.indexOf(option);
  drawFace(model);
  drawOptions(model);
  model.list.children[place].focus();
}

function toggle(model, open) {
  if (model.list.hidden !== open) return;
  model.list.hidden = !open;
  model.face.setAttribute("aria-expanded", String(open));
  if (open) model.list.classList.toggle("up", lacksRoomBelow(model.face));
  if (open) (model.list.querySelector('[aria-selected="true"]') ?? model.list.firstElementChild)?.focus();
  else if (model.changed) {
    model.changed = false;
    model.press(model.component.custom_id, [...model.chosen]);
  }
}

const LIST_PX = 270;

function lacksRoomBelow(face) {
  const { top, bottom } = face.getBoundingClientRect();
  const frame = document.getElementById("scroller").getBoundingClientRect();
  return frame.bottom - bottom < LIST_PX && top - frame.top > frame.bottom - bottom;
}

function steer(model, event) {
  const items = [...model.list.children];
  const here = items.indexOf(document.activeElement);
  const steps = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 };
  if (event.key in steps && !model.list.hidden) {
    items[(steps[event.key] + items.length) % items.length]?.focus();
  } else if (event.key === "Escape" && !model.list.hidden) {
    toggle(model, false);
    model.face.focus();
  } else if ((event.key === "Enter" || event.key === " ") && here >= 0) {
    items[here].click();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

