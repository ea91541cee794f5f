// The moderators' desk: what waits for a person's eye. The farm itself blurs a picture until it is clicked,
// and writes down who looked.

import { attempt } from "./acts.js";
import { file, get, post } from "./api.js";
import { button, empty, h, icon, tell } from "./dom.js";
import { ago, capital, several } from "./words.js";

const KINDS = { prompt: "Blocked prompt", picture: "Blocked picture", report: "Reported picture", sample: "Sample" };

export function review(view) {
  const cases = h("div", { class: "cases", role: "group", "aria-label": "Cases" });
  const desk = h("div");
  const room = h("div", { class: "review" }, cases, desk);
  view.append(h("div", { class: "column" }, room));
  const draw = async () => {
    const page = await attempt(() => get("/v1/moderation/cases"));
    if (!page) return;
    if (!page.data.length) {
      room.replaceChildren(empty("shield", "Nothing waits", "What people report, or filters doubt, comes here."));
      return;
    }
    cases.replaceChildren(...page.data.map((one) => caseButton(one, cases, desk, draw)));
    cases.firstElementChild.click();
  };
  draw();
}

function caseButton(one, cases, desk, draw) {
  const open = async ({ currentTarget }) => {
    cases.querySelector("[aria-current]")?.removeAttribute("aria-current");
    currentTarget.setAttribute("aria-current", "true");
    const told = await attempt(() => get(`/v1/moderation/cases/${one.id}`));
    if (told) desk.replaceChildren(dossier(told, draw));
  };
  return h("button", { type: "button", class: "case", onclick: open },
    h("b", {}, KINDS[one.kind]), h("span", { class: "clip" }, `${capital(one.category)} · ${ago(one.opened_at ?? one.at)}`));
}

function dossier(told, draw) {
  const { case: one, author } = told;
  const note = h("input", { class: "input", maxlength: 1000, placeholder: "For the person and the audit log" });
  return h("article", { class: "card stack" },
    h("div", { class: "spread" }, h("h3", {}, KINDS[one.kind]), h("div", { class: "chips" }, tagsOf(one))),
    author && h("p", {}, `By ${author.name}, standing ${author.standing}, strikes of weight ${author.weight}.`),
    told.said && h("blockquote", { class: "said" }, told.said),
    typed(told),
    exhibit(one),
    h("label", { class: "field" }, h("span", {}, "Note"), note),
    h("div", { class: "row" }, rulingsOf(one).map(([decision, words, kind]) =>
      button(words, (event) => decide(one, { decision, note: note.value }, event.currentTarget, draw), { kind }))));
}

function tagsOf(one) {
  const facts = [["tag bad", one.category], ["tag", one.rule], ["tag", one.score > 0 && `score ${one.score.toFixed(2)}`], ["tag warn", one.hard && "nobody can lift it"]];
  return facts.filter(([, words]) => words).map(([name, words]) => h("span", { class: name }, words));
}

// What a filter stopped is lifted or upheld; a picture that is out is approved, or its report upheld.
function rulingsOf(one) {
  const uphold = ["uphold", one.kind === "report" || one.kind === "sample" ? "Take it down" : "Uphold", "danger"];
  if (one.kind === "report" || one.kind === "sample") return [["approve", "It is fine", "success"], uphold];
  return one.hard ? [uphold] : [["lift", "Lift the block", "success"], uphold];
}

function typed({ prompt, fired_on: words }) {
  if (!prompt) return null;
  const shown = h("p", { class: "typed", hidden: true }, prompt, words && h("span", { class: "note" }, ` (fired on: ${words})`));
  const press = button("Show what was typed", () => { shown.hidden = false; press.remove(); }, { sign: "eye" });
  return h("div", {}, press, shown);
}

function exhibit(one) {
  const place = h("div", { class: "evidence" });
  file("GET", `/v1/moderation/cases/${one.id}/picture`).then(
    (picture) => place.replaceChildren(covered(one, picture)),
    (no) => place.replaceChildren(h("p", { class: "note" }, no.message)));
  return place;
}

function covered(one, picture) {
  const image = h("img", { src: URL.createObjectURL(picture), alt: "" });
  const sign = h("span", {}, h("b", {}, icon("eye"), "Show"));
  const reveal = async () => {
    const clear = await attempt(() => file("POST", `/v1/moderation/cases/${one.id}/reveal`), press);
    if (!clear) return;
    press.classList.add("shown");
    image.src = URL.createObjectURL(clear);
    image.alt = "The picture of this case";
    press.removeAttribute("aria-label");
  };
  const press = h("button", { type: "button", class: "covered", "aria-label": "Show the picture; it is written down", onclick: reveal }, image, sign);
  return press;
}

async function decide(one, ruling, pressed, draw) {
  const ruled = await attempt(() => post(`/v1/moderation/cases/${one.id}/decide`, ruling), pressed);
  if (!ruled) return;
  const jobs = ruled.resubmitted.length;
  tell(ruled.refusal?.detail ?? (jobs ? `Lifted: ${several(jobs, "job")} drawn again.` : "Decided, and written into the audit log."));
  draw();
}
