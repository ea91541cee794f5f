// How times and amounts read.

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];

export const dayOf = (iso) => day.format(new Date(iso));
export const momentOf = (iso) => (iso ? moment.format(new Date(iso)) : "never");

export function ago(iso, now = Date.now()) {
  const off = Math.round((new Date(iso) - now) / 1000);
  const unit = UNITS.find(([, length]) => Math.abs(off) >= length);
  return unit ? relative.format(Math.trunc(off / unit[1]), unit[0]) : "just now";
}

export function gpuTime(ms) {
  const seconds = ms / 1000;
  if (ms > 0 && ms < 50) return "under 0.1 GPU-seconds";
  if (seconds >= 3600) return `${round(seconds / 3600)} GPU-hours`;
  if (seconds >= 600) return `${round(seconds / 60)} GPU-minutes`;
  return `${round(seconds)} GPU-seconds`;
}

export function lasting(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${round(seconds / 3600)} h`;
}

export const round = (value) => String(Number(value.toFixed(value < 10 ? 1 : 0)));
export const several = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// "a boat --ar 3:2" -> ["a boat", ["ar 3:2"]]: a reader wants the words first.
export function taken(prompt) {
  const [words, ...parameters] = prompt.split(/(?:^|\s)(?:--|—)(?=[a-z])/i);
  return [words.trim(), parameters.map((each) => each.trim()).filter(Boolean)];
}
