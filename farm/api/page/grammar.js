// How a prompt's text falls apart, for colours and for choosing parameters. Pure. What it means and whether
// it holds, only the farm says.

const PARAMETER = /(^|\s)(--|—)([a-z]+)(?:([ \t]+)((?!--|—)(?:(?!\s(?:--|—)[a-z]).)*\S))?/gis;
const WEIGHT = /::-?[\d.]*/g;

// [{kind: words|name|value|weight, text}], whose texts together are the prompt.
export function inks(text) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(PARAMETER)) {
    const start = match.index + match[1].length;
    push(found, "words", text.slice(at, start));
    found.push({ kind: "name", text: match[2] + match[3] });
    if (match[5]) found.push({ kind: "words", text: match[4] }, { kind: "value", text: match[5] });
    at = match.index + match[0].length;
  }
  push(found, "words", text.slice(at));
  return found.flatMap((one) => (one.kind === "words" ? weighed(one.text) : [one]));
}

function push(found, kind, text) {
  if (text) found.push({ kind, text });
}

function weighed(text) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(WEIGHT)) {
    push(found, "words", text.slice(at, match.index));
    found.push({ kind: "weight", text: match[0] });
    at = match.index + match[0].length;
  }
  push(found, "words", text.slice(at));
  return found;
}

// The value of `--name`, "" for a flag, null where it is not there.
export function valueOf(text, names) {
  const found = [...text.matchAll(PARAMETER)].find((match) => names.includes(match[3].toLowerCase()));
  return found ? (found[5] ?? "") : null;
}

// The text with `--name value` in place of what stood there; null takes it out.
export function withValue(text, names, value) {
  const kept = text.replace(PARAMETER, (whole, _space, _mark, name) => (names.includes(name.toLowerCase()) ? "" : whole)).trimEnd();
  if (value === null) return kept;
  return `${kept} --${names[0]}${value === "" ? "" : ` ${value}`}`.trimStart();
}

// Where the word of a slip ends that begins at character `position`, counted from 1.
export function slipSpan(text, position) {
  const start = Math.min(Math.max(position - 1, 0), text.length);
  const rest = /^(?:--|—)?\S*/.exec(text.slice(start))[0];
  return [start, start + Math.max(rest.length, 1)];
}
