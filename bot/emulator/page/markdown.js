// Discord's markdown as DOM nodes. Nothing here ever parses HTML.

import { h } from "./dom.js";
import { styled } from "./times.js";

const INLINE = [
  { find: /\\([*_~`|>#\\[\]()<-])/, make: (m) => m[1] },
  { find: /``([\s\S]+?)``|`([^`]+)`/, make: (m) => h("code", {}, (m[1] ?? m[2]).trim() || " ") },
  { find: /<@!?(\d+)>/, make: (m, see) => mention("@", see.person(m[1]) ?? "unknown-user") },
  { find: /<@&(\d+)>/, make: (m, see) => mention("@", see.role(m[1]) ?? "deleted-role") },
  { find: /<#(\d+)>/, make: (m, see) => mention("#", see.channel(m[1]) ?? "unknown") },
  { find: /<\/([^:>]+):\d+>/, make: (m) => mention("/", m[1]) },
  { find: /<a?:(\w+):\d+>/, make: (m) => `:${m[1]}:` },
  { find: /<t:(-?\d+)(?::([tTdDfFR]))?>/, make: (m) => time(Number(m[1]), m[2] ?? "f") },
  { find: /\[([^\]\n]+)\]\(<?(https?:\/\/[^\s)>]+)>?(?:\s+"[^"]*")?\)/, make: (m, see) => link(m[2], inline(m[1], see)) },
  { find: /<(https?:\/\/[^\s>]+)>/, make: (m) => link(m[1], m[1]) },
  { find: /https?:\/\/[^\s<>]+[^\s<>.,:;"')\]]/, make: (m) => link(m[0], m[0]) },
  { find: /\*\*\*([\s\S]+?)\*\*\*/, make: (m, see) => h("strong", {}, h("em", {}, inline(m[1], see))) },
  { find: /\*\*([\s\S]+?)\*\*(?!\*)/, make: (m, see) => h("strong", {}, inline(m[1], see)) },
  { find: /__([\s\S]+?)__(?!_)/, make: (m, see) => h("u", {}, inline(m[1], see)) },
  { find: /~~([\s\S]+?)~~/, make: (m, see) => h("s", {}, inline(m[1], see)) },
  { find: /\|\|([\s\S]+?)\|\|/, make: (m, see) => spoiler(inline(m[1], see)) },
  { find: /\*(?=\S)([^*]+?)(?<=\S)\*(?!\*)/, make: (m, see) => h("em", {}, inline(m[1], see)) },
  { find: /(?<!\w)_(?=\S)([^_]+?)(?<=\S)_(?!\w)/, make: (m, see) => h("em", {}, inline(m[1], see)) },
  { find: /@(everyone|here)\b/, make: (m) => mention("@", m[1]) },
];

const mention = (sign, name) => h("span", { class: "mention" }, sign + name);

function link(url, label) {
  return h("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, label);
}

function time(unix, style) {
  const props = { class: "stamp", datetime: new Date(unix * 1000).toISOString() };
  if (style === "R") props.data = { relative: unix };
  return h("time", props, styled(unix, style));
}

function spoiler(children) {
  const words = h("span", { class: "spoiler-words", "aria-hidden": "true" }, children);
  const cover = h("span", { class: "spoiler", tabindex: 0, role: "button", "aria-label": "Spoiler", "aria-expanded": "false" }, words);
  const reveal = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    if (cover.classList.contains("revealed")) return;
    event.preventDefault();
    cover.classList.add("revealed");
    for (const name of ["role", "aria-label", "aria-expanded", "tabindex"]) cover.removeAttribute(name);
    words.removeAttribute("aria-hidden");
  };
  cover.addEventListener("click", reveal);
  cover.addEventListener("keydown", reveal);
  return cover;
}

export function inline(text, see) {
  const nodes = [];
  let rest = text;
  while (rest) {
    const found = earliest(rest);
    if (!found) break;
    if (found.match.index) nodes.push(rest.slice(0, found.match.index));
    nodes.push(found.rule.make(found.match, see));
    rest = rest.slice(found.match.index + found.match[0].length);
  }
  if (rest) nodes.push(rest);
  return nodes;
}

function earliest(text) {
  let best = null;
  for (const rule of INLINE) {
    const match = rule.find.exec(text);
    if (match && (!best || match.index < best.match.index)) best = { rule, match };
  }
  return best;
}

// Code blocks first, then lines: headings, quotes, lists, small print, paragraphs.
export function markdown(text, see) {
  const parts = text.split(/```(?:([\w+-]+)\n)?\n?([\s\S]+?)\n?```/);
  const nodes = [];
  for (let i = 0; i < parts.length; i += 3) {
    if (parts[i]) nodes.push(...lines(parts[i], see));
    if (i + 2 < parts.length) {
      nodes.push(h("pre", { data: { language: parts[i + 1] ?? "" } }, h("code", {}, parts[i + 2])));
    }
  }
  return nodes;
}

const BLOCKS = [
  { find: /^(#{1,3}) +(.+)$/, make: (m, see) => h(`h${m[1].length + 2}`, { class: "heading" }, inline(m[2], see)) },
  { find: /^-# +(.+)$/, make: (m, see) => h("small", { class: "subtext" }, inline(m[1], see)) },
  { find: /^> ?(.*)$/, make: (m, see) => h("blockquote", {}, inline(m[1] || " ", see)) },
  { find: /^( *)[-*] +(.+)$/, make: (m, see) => bullet(m[1].length, "•", inline(m[2], see)) },
  { find: /^( *)(\d+)\. +(.+)$/, make: (m, see) => bullet(m[1].length, `${m[2]}.`, inline(m[3], see)) },
];

function bullet(depth, sign, children) {
  return h("div", { class: "bullet", style: { "--depth": Math.floor(depth / 2) } },
    h("span", { class: "sign" }, sign), h("span", {}, children));
}

function lines(text, see) {
  const nodes = [];
  let run = [];
  const flush = () => {
    if (run.length) nodes.push(h("span", { class: "run" }, inline(run.join("\n"), see)));
    run = [];
  };
  for (const line of text.replace(/^\n|\n$/g, "").split("\n")) {
    const block = BLOCKS.map((rule) => [rule, rule.find.exec(line)]).find(([, match]) => match);
    if (!block) run.push(line);
    else {
      flush();
      nodes.push(block[0].make(block[1], see));
    }
  }
  flush();
  return nodes;
}

export function plain(text, see) {
  const holder = h("span", {}, inline(text.replace(/^(?:#{1,3}|-#|>|[-*]) +/gm, "").replace(/```\w*\n?|\n+/g, " "), see));
  return holder.textContent;
}
