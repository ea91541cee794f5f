// A bot's form.

import { byId, h, icon } from "./dom.js";

const SHORT = 1;
const LABEL = 18;
const TEXT = 4;
const CHOICE = 3;
const WORDS = 10;

const box = () => byId("modal");

// `send(values)` rejects with what is wrong; the form then stays open.
export function openModal(modal, { send, botName }) {
  const fields = [];
  const problem = h("p", { class: "warning", role: "alert", hidden: true });
  const submit = h("button", { type: "submit", class: "button primary" }, "Submit");
  const form = h("form", { method: "dialog", novalidate: true },
    h("header", {}, h("h2", { id: "modal-title" }, modal.title), closer()),
    h("div", { class: "modal-body" }, modal.components.map((c) => part(c, fields)), problem),
    h("p", { class: "modal-note" }, `This form will be sent to ${botName}. Do not share passwords or other sensitive information.`),
    h("footer", {}, h("button", { type: "button", class: "button link-like", onclick: close }, "Cancel"), submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await send(Object.fromEntries(fields.map((f) => [f.name, f.value])));
      close();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      submit.disabled = false;
    }
  });
  box().replaceChildren(form);
  box().showModal();
  fields[0]?.focus();
}

const close = () => box().close();
const closer = () => h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: close }, icon("close"));

function part(component, fields) {
  if (component.type === WORDS) return h("p", {}, component.content);
  if (component.type === LABEL) return labelled(component.component, component.label, component.description, fields);
  return (component.components ?? []).map((child) => labelled(child, child.label, null, fields));
}

function labelled(component, label, description, fields) {
  const field = control(component);
  fields.push(field);
  const needed = component.required !== false;
  return h("label", { class: "field" },
    h("span", { class: "field-label" }, label ?? "", needed && h("b", { "aria-hidden": "true" }, " *")),
    description && h("small", {}, description), field);
}

function control(component) {
  if (component.type === CHOICE) {
    return h("select", { name: component.custom_id },
      component.options.map((o) => h("option", { value: o.value, selected: o.default }, o.label)));
  }
  const props = {
    name: component.custom_id,
    placeholder: component.placeholder,
    maxlength: component.max_length ?? 4000,
    required: component.required !== false,
  };
  if (component.type === TEXT && component.style !== SHORT) {
    return h("textarea", { ...props, rows: 5 }, component.value ?? "");
  }
  return h("input", { ...props, type: "text", value: component.value ?? "" });
}
