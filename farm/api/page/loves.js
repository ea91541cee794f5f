// Which pictures the person marked.

import { del, get, put } from "./api.js";
import { attempt } from "./acts.js";

const PAGE = 100;

const marked = new Set();
const name = (id, index) => `${id} ${index}`;
let asked = null;

export const loves = new EventTarget();
export const loved = (id, index) => marked.has(name(id, index));

export function note(id, index, is) {
  if (loved(id, index) === is) return;
  if (is) marked.add(name(id, index));
  else marked.delete(name(id, index));
  loves.dispatchEvent(new CustomEvent("changed", { detail: { id, index } }));
}

export function learn() {
  asked ??= get(`/v1/favourites?limit=${PAGE}`).then((page) => page.data.forEach((one) => note(one.job, one.index, true)), () => {});
  return asked;
}

export async function toggle(id, index, pressed) {
  const path = `/v1/favourites/${id}/${index}`;
  const told = await attempt(() => (loved(id, index) ? del(path) : put(path)), pressed);
  if (told) note(id, index, told.favourite);
}
