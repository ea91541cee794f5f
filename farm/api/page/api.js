// Talking to the API with the person's key. A refusal is told in its own words.

export class Problem extends Error {
  constructor(told, status) {
    super(told.detail || `The farm answered ${status}.`);
    Object.assign(this, { status, code: told.code, field: told.field, told });
  }
}

let key = "";
let signedOut = () => {};

export function signWith(secret, onrefused) {
  key = secret;
  signedOut = onrefused;
}

export async function ask(method, path, body, { headers = {}, signal } = {}) {
  const answer = await reach(path, { method, signal, ...packed(body, headers) });
  if (answer.status === 204) return null;
  const type = answer.headers.get("Content-Type") ?? "";
  const told = type.includes("json") ? await answer.json().catch(() => ({})) : await answer.text();
  if (answer.ok) return told;
  if (answer.status === 401) signedOut();
  throw new Problem(typeof told === "string" ? {} : told, answer.status);
}

// A file that only the key opens.
export async function file(method, path) {
  const answer = await reach(path, { method });
  if (answer.ok) return answer.blob();
  throw new Problem(await answer.json().catch(() => ({})), answer.status);
}

export async function reach(path, options) {
  const headers = { Authorization: `Bearer ${key}`, ...options.headers };
  try {
    return await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The farm cannot be reached. Look at your connection.", code: "unreachable" }, 0);
  }
}

function packed(body, headers) {
  if (body === undefined || body instanceof FormData) return { body, headers };
  return { body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } };
}

export const get = (path, options) => ask("GET", path, undefined, options);
export const post = (path, body = {}, options) => ask("POST", path, body, options);
export const put = (path, body = {}) => ask("PUT", path, body);
export const del = (path) => ask("DELETE", path);

export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value != null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
