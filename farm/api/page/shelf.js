// What there is to draw with; asked for once, as menus and rooms need it.

import { get } from "./api.js";

let asked = null;

export function catalog({ anew = false } = {}) {
  if (anew) asked = null;
  asked ??= Promise.all([get("/v1/models"), get("/v1/loras").catch(() => ({ data: [] }))])
    .then(([models, loras]) => ({ models: models.data, loras: lorasOf(models.data, loras.data) }))
    .catch(() => {
      asked = null;
      return { models: [], loras: [] };
    });
  return asked;
}

// Those of the catalog, and those that people brought.
function lorasOf(models, brought) {
  const own = models.flatMap((model) => model.adapters.filter((one) => one.kind === "lora").map((one) => ({ ...one, family: model.family })));
  const all = [...brought.map((one) => ({ ...one, title: one.name, name: one.handle, family: one.checkpoint })), ...own];
  return [...new Map(all.map((one) => [one.name, one])).values()];
}

let parameters = null;

export function parameterList() {
  parameters ??= get("/v1/parameters").then((page) => page.data).catch(() => []);
  return parameters;
}
