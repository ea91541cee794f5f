// How moments read.

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "long", day: "numeric" });
const shortDay = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "2-digit", day: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const longTime = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const seconds = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

const dayStart = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
export const sameDay = (a, b) => dayStart(new Date(a)) === dayStart(new Date(b));
export const dayName = (iso) => day.format(new Date(iso));
export const timeOfDay = (iso) => clock.format(new Date(iso));
export const fully = (iso) => full.format(new Date(iso));

export function moment(iso) {
  const date = new Date(iso);
  const days = Math.round((dayStart(new Date()) - dayStart(date)) / 86400000);
  if (days === 0) return `Today at ${clock.format(date)}`;
  if (days === 1) return `Yesterday at ${clock.format(date)}`;
  return `${shortDay.format(date)} ${clock.format(date)}`;
}

function ago(date) {
  const off = Math.round((date.getTime() - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, length]) => Math.abs(off) >= length) ?? ["second", 1];
  return relative.format(Math.trunc(off / size), unit);
}

// Discord's <t:seconds:style>.
export function styled(unix, style) {
  const date = new Date(unix * 1000);
  const formats = { t: clock, T: seconds, d: shortDay, D: day, F: full, f: longTime };
  return style === "R" ? ago(date) : (formats[style] ?? longTime).format(date);
}

// Relative times tick, so that "in 12 seconds" counts down.
setInterval(() => {
  for (const element of document.querySelectorAll("time[data-relative]")) {
    element.textContent = styled(Number(element.dataset.relative), "R");
  }
}, 1000);
