// Bars over days, drawn by hand: one colour, few lines, and each bar says its number.

import { h, s } from "./dom.js";

const HEIGHT = 220;
const LEFT = 48;
const BOTTOM = 26;
const TOP = 12;

// The next round number above: 1, 2 or 5 times a power of ten.
export function roof(most) {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((each) => each >= most);
}

// `days`: [{label, value, words}]; `unit` stands at the axis.
export function bars(days, { title, unit, width = 760 }) {
  const top = roof(Math.max(...days.map((day) => day.value)));
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const slot = (width - LEFT) / days.length;
  const tip = h("div", { class: "plot-tip", hidden: true });
  const svg = s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "group", "aria-label": title },
    grid({ top, y, unit, width }), s("g", { class: "bars" }, days.map((day, place) => bar(day, LEFT + place * slot, { slot, y, tip }))), labels(days, slot, width));
  return h("div", { class: "plot" }, svg, tip);
}

function grid({ top, y, unit, width }) {
  return [0, top / 2, top].map((value) => s("g", {},
    s("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
    s("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, value === top ? `${value} ${unit}` : String(value))));
}

function bar(day, x, { slot, y, tip }) {
  const wide = Math.max(2, Math.min(28, slot - 3));
  const height = y(0) - y(day.value);
  const left = x + (slot - wide) / 2;
  const show = () => {
    tip.replaceChildren(h("b", {}, day.words), day.label);
    tip.style.left = `${left + wide / 2}px`; // the drawing is as wide as its place
    tip.style.top = `${y(day.value)}px`;
    tip.hidden = false;
  };
  const hide = () => { tip.hidden = true; };
  return s("g", { tabindex: day.value ? 0 : null, role: "img", "aria-label": `${day.label}: ${day.words}`, onmouseenter: show, onmouseleave: hide, onfocus: show, onblur: hide },
    s("rect", { class: "reach", x, width: slot, y: TOP, height: HEIGHT - BOTTOM - TOP }),
    day.value > 0 && s("rect", { class: "shown", x: left, width: wide, y: y(day.value), height: Math.max(2, height), rx: Math.min(4, wide / 3) }));
}

function labels(days, slot, width) {
  const every = Math.ceil(days.length / Math.max(2, Math.floor(width / 90)));
  return days.map((day, place) => place % every === 0
    && s("text", { x: LEFT + (place + 0.5) * slot, y: HEIGHT - 6, "text-anchor": "middle" }, day.label));
}
