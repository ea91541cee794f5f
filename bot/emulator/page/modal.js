// A bot's form.

import { byId, h, icon } from "./dom.js";

const SHORT = 1;
const LABEL = 18;
const TEXT = 4;
const CHOICE = 3;
const WORDS = 10;
const FILES = 19;
const RADIOS = 21;
const CHECKS = 22;
const CHECK = 23;

const box = () => byId("modal");

// `send(values)` rejects with what is wrong; the form then stays open. `choices(type)` lists people,
// roles or channels; `upload(file)` keeps a file and tells its id.
export function openModal(modal, { send, choices, upload, botName }) {
  const fields = [];
  const problem = h("p", { class: "warning", role: "alert", hidden: true });
  const submit = h("button", { type: "submit", class: "button primary" }, "Submit");
  const form = h("form", { method: "dialog", novalidate: true },
    h("header", {}, h("h2", { id: "modal-title" }, modal.title), closer()),
    h("div", { class: "modal-body" }, modal.components.map((c) => part(c, { fields, choices, upload })), problem),
    h("p", { class: "modal-note" }, `This form will be sent to ${botName}. Do not share passwords or other sensitive information.`),
    h("footer", {}, h("button", { type: "button", class: "button link-like", onclick: close }, "Cancel"), submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    problem.hidden = true;
    try {
      const read = fields.map(async ({ name, value }) => [name, await value()]);
      await send(Object.fromEntries(await Promise.all(read)));
      close();
    } catch (error) {
      problem.replaceChildren(icon("warn"), h("span", {}, error.message));
      problem.hidden = false;
      problem.scrollIntoView({ block: "nearest" });
      submit.disabled = false;
    }
  });
  box().replaceChildren(form);
  if (!box().open) box().showModal();
  (fields[0]?.group ? fields[0].element.querySelector("input") : fields[0]?.element)?.focus();
}

const close = () => box().close();
const closer = () => h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: close }, icon("close"));

function part(component, context) {
  if (component.type === WORDS) return h("p", { class: "words" }, component.content);
  if (component.type === LABEL) return labelled(component.component, component.label, component.description, context);
  return (component.components ?? []).map((child) => labelled(child, child.label, null, context));
}

function labelled(component, label, description, context) {
  const field = control(component, context);
  context.fields.push({ name: component.custom_id, ...field });
  const needed = component.required !== false;
  return h(field.group ? "fieldset" : "label", { class: "field" },
    h(field.group ? "legend" : "span", { class: "field-label" }, label ?? "", needed && h("b", { "aria-hidden": "true" }, " *")),
    description && h("small", {}, description), field.element, field.note);
}

function control(component, { choices, upload }) {
  if (component.type === TEXT) return words(component);
  if (component.type === FILES) return files(component, upload);
  if (component.type === RADIOS) return ticks(component, "radio");
  if (component.type === CHECKS) return ticks(component, "checkbox");
  if (component.type === CHECK) return tick(component);
  if (component.type === CHOICE) return select(component, component.options);
  return select(component, choices(component.type));
}

function words(component) {
  const most = component.max_length ?? 4000;
  const least = component.min_length ?? 0;
  const props = {
    name: component.custom_id, placeholder: component.placeholder, maxlength: most, minlength: least || null,
    "aria-required": String(component.required !== false),
  };
  const element = component.style === SHORT
    ? h("input", { ...props, type: "text", value: component.value ?? "" })
    : h("textarea", { ...props, rows: 5 }, component.value ?? "");
  const note = component.style !== SHORT || component.max_length ? h("span", { class: "field-count" }) : null;
  const count = () => {
    const length = element.value.length;
    note?.replaceChildren(length < least ? `${length} of at least ${least}` : `${length}/${most}`);
  };
  element.addEventListener("input", count);
  count();
  return { element, note, value: () => element.value };
}

function select(component, options) {
  const several = (component.max_values ?? 1) > 1;
  const defaults = new Set((component.default_values ?? []).map((each) => each.id));
  const listed = options.map((o) => h("option", { value: o.value, selected: o.default || defaults.has(o.value) }, o.label));
  const none = several ? [] : [h("option", { value: "" }, component.placeholder ?? "Make a selection")];
  const element = h("select", { name: component.custom_id, multiple: several, size: several ? Math.min(5, listed.length) : null }, none, listed);
  return { element, value: () => [...element.selectedOptions].map((o) => o.value).filter(Boolean) };
}

function ticks(component, type) {
  const boxes = component.options.map((o) => h("input", { type, name: component.custom_id, value: o.value, checked: o.default }));
  const element = h("div", { class: "ticks" }, component.options.map((o, place) => h("label", { class: "tick-row" }, boxes[place],
    h("span", { class: "option-words" }, o.label, o.description && h("small", {}, o.description)))));
  return { element, group: true, value: () => boxes.filter((box) => box.checked).map((box) => box.value) };
}

function tick(component) {
  const element = h("input", { type: "checkbox", name: component.custom_id, checked: component.default });
  return { element, value: () => String(element.checked) };
}

function files(component, upload) {
  const element = h("input", { type: "file", name: component.custom_id, multiple: (component.max_values ?? 1) > 1 });
  return { element, value: async () => Promise.all([...element.files].map(upload)) };
}
