// The moderators' desk: what waits for a person's eye. Pictures stay covered until they are clicked.

import { attempt } from "./acts.js";
import { get, post } from "./api.js";
import { button, empty, h, tell } from "./dom.js";
import { ago, capital } from "./words.js";

export function review(view) {
  const cases = h("div", { class: "cases", "aria-label": "Cases" });
  const desk = h("div", {});
  const room = h("div", { class: "review" }, cases, desk);
  view.append(h("div", { class: "column" }, room));
  const draw = async () => {
    const page = await attempt(() => get("/v1/moderation/queue"));
    if (!page) return;
    if (!page.data.length) return room.replaceChildren(empty("shield", "Nothing waits", "What people or filters want looked at comes here."));
    cases.replaceChildren(...page.data.map((one) => caseButton(one, cases, desk, draw)));
    return cases.firstElementChild.click();
  };
  draw();
}

function caseButton(one, cases, desk, draw) {
  const open = async (event) => {
    cases.querySelectorAll("[aria-current]").forEach((each) => each.removeAttribute("aria-current"));
    event.currentTarget.setAttribute("aria-current", "true");
    const told = await attempt(() => get(`/v1/moderation/cases/${one.id}`));
    if (told) desk.replaceChildren(dossier(told, draw));
  };
  return h("button", { type: "button", class: "case", onclick: open },
    h("b", {}, capital(one.kind ?? one.category ?? "Case")),
    h("span", { class: "clip" }, [one.category, one.opened_at && ago(one.opened_at)].filter(Boolean).join(" · ")));
}

function dossier(told, draw) {
  const note = h("input", { class: "input", maxlength: 300, placeholder: "For the person and the audit log", "aria-label": "Note" });
  const pictures = h("div", { class: "evidence" });
  if (told.pictures !== 0) showPictures(told, pictures);
  return h("article", { class: "card stack" },
    h("div", { class: "spread" }, h("h3", {}, capital(told.kind ?? "Case")), h("div", { class: "chips" }, tagsOf(told))),
    typed(told),
    pictures,
    h("label", { class: "field" }, h("span", {}, "Note"), note),
    h("div", { class: "row" }, VERDICTS.filter((each) => each.fits(told)).map(({ verb, words, kind }) =>
      button(words, (event) => decide(told, verb, note.value, event.currentTarget, draw), { kind }))));
}

const tagsOf = (told) => [["tag bad", told.category], ["tag", told.score != null && `score ${told.score.toFixed(2)}`], ["tag", told.rule]]
  .filter(([, value]) => value).map(([name, value]) => h("span", { class: name }, value));

function typed(told) {
  if (!told.prompt) return null;
  const words = h("p", { class: "typed", hidden: true }, told.prompt);
  const press = button("Show what was typed", () => { words.hidden = false; press.remove(); }, { sign: "eye" });
  return h("div", {}, press, words);
}

const VERDICTS = [
  { verb: "approve", words: "Approve", kind: "success", fits: () => true },
  { verb: "uphold", words: "Uphold", kind: "danger", fits: () => true },
  { verb: "lift", words: "Lift", kind: "", fits: (told) => told.liftable !== false },
];

async function showPictures(told, place) {
  const page = await get(`/v1/moderation/cases/${told.id}/pictures`).catch(() => ({ data: [] }));
  place.replaceChildren(...page.data.map((one, at) => covered(one, at)));
}

function covered(one, at) {
  const image = h("img", { src: one.url, alt: "" });
  const press = h("button", { type: "button", class: "covered", "aria-label": `Show picture ${at + 1}`, onclick: () => {
    press.classList.toggle("shown");
    press.setAttribute("aria-label", `${press.classList.contains("shown") ? "Cover" : "Show"} picture ${at + 1}`);
  } }, image, h("span", {}, h("b", {}, "Show")));
  return press;
}

async function decide(told, verb, note, pressed, draw) {
  const done = await attempt(() => post(`/v1/moderation/cases/${told.id}/${verb}`, { note }), pressed);
  if (done === undefined) return;
  tell("Decided, and written into the audit log.");
  draw();
}
