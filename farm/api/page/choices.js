// Menus that write parameters into the prompt: the text stays the one truth, and they show what it says.

import { h } from "./dom.js";
import { valueOf, withValue } from "./grammar.js";
import { catalog } from "./shelf.js";
import { me } from "./door.js";

const SHAPES = { "1:1": "Square", "3:2": "Photo", "2:3": "Portrait", "4:3": "Screen", "3:4": "Upright", "16:9": "Wide", "9:16": "Phone", "21:9": "Cinema" };
const SPEEDS = ["relax", "fast", "turbo"];

export async function choices(change) {
  const { models, loras } = await catalog();
  return [
    menu("Shape", ["ar", "aspect"], shapesOf(models.find((one) => one.default)), change, "1:1 Square"),
    models.length > 1 && menu("Model", ["model", "m"], models.filter((one) => one.allowed).map((one) => [one.id, one.title]), change, models.find((one) => one.default)?.title),
    loras.length > 0 && menu("LoRA", ["lora"], loras.map((one) => [`${one.name}:0.8`, one.title]), change, "none"),
    new SpeedMenu(change),
  ].filter(Boolean);
}

// Those that the usual model draws: of one that draws any, those that people ask for.
function shapesOf(model) {
  const drawn = model?.sizes.length ? model.sizes.map(ratioOf) : Object.keys(SHAPES);
  return [...new Set(drawn)].filter((ratio) => ratio !== "1:1").map((ratio) => [ratio, [ratio, SHAPES[ratio]].filter(Boolean).join(" ")]);
}

function ratioOf([width, height]) {
  const shared = (a, b) => (b ? shared(b, a % b) : a);
  return `${width / shared(width, height)}:${height / shared(width, height)}`;
}

// The first entry takes the parameter out again.
function menu(label, names, entries, change, plain = "usual") {
  const select = h("select", { onchange: () => change(names, (text) => withValue(text, names, select.value || null)) },
    h("option", { value: "" }, plain), entries.map(([value, words]) => h("option", { value }, words)));
  const other = h("option", { value: "?", hidden: true }, "other");
  select.append(other);
  const follow = (text) => {
    const value = valueOf(text, names);
    const known = value === null || plain.startsWith(`${value} `) ? "" : entries.some(([each]) => each === value) ? value : "?";
    other.textContent = value ?? "";
    select.value = known;
  };
  return { root: h("label", { class: "chip" }, label, select), follow };
}

// A flag of its own for each speed, of those that the plan has.
class SpeedMenu {
  constructor(change) {
    const { speeds } = me;
    this.select = h("select", { onchange: () => change(speeds, (text) => spedUp(text, this.select.value)) },
      h("option", { value: "" }, me.default_speed), speeds.filter((each) => each !== me.default_speed).map((each) => h("option", { value: each }, each)));
    this.root = h("label", { class: "chip" }, "Speed", this.select);
  }

  follow(text) {
    this.select.value = SPEEDS.find((speed) => valueOf(text, [speed]) !== null) ?? "";
  }
}

function spedUp(text, speed) {
  const bare = withValue(text, SPEEDS, null);
  return speed ? withValue(bare, [speed], "") : bare;
}
