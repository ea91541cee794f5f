// What can be made of a picture or a job.

import { Problem } from "./api.js";
import { confirmMany } from "./confirm.js";
import { tell } from "./dom.js";
import { folder } from "./jobs.js";

export const openable = (job) => job.state === "succeeded";

// Says what went wrong where it cannot be said beside a field.
export async function attempt(work, pressed) {
  pressed?.setAttribute("aria-busy", "true");
  if (pressed) pressed.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    tell(error.message, { bad: true });
    return undefined;
  } finally {
    pressed?.removeAttribute("aria-busy");
    if (pressed) pressed.disabled = false;
  }
}

// Asks for jobs; where they are many, once more after the person has seen the price. The key makes a repeat
// after a lost answer the same ask.
export async function order(path, body) {
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  try {
    return await folder.make(path, body, headers);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "unconfirmed") throw error;
    if (!(await confirmMany(error.told.quote))) return null;
    return folder.make(path, { ...body, confirmed: true }, { "Idempotency-Key": crypto.randomUUID() });
  }
}

export async function make(job, verb, body, pressed) {
  const made = await attempt(() => order(`/v1/jobs/${job.id}/${verb}`, body), pressed);
  if (!made) return;
  made.notices.forEach((each) => tell(each));
  tell("It is being drawn.");
}

export const again = (job, pressed) => make(job, "rerolls", {}, pressed);

export const cancel = (job) => attempt(() => folder.cancel(job.id));

// Puts a prompt into the box, wherever one is.
export function reuse(prompt) {
  sessionStorage.setItem("pictor.words", prompt);
  if (location.hash === "#/draw" || location.hash === "") window.dispatchEvent(new Event("words"));
  else location.hash = "#/draw";
}
