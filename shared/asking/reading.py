"""An ask as it is understood: on whose plan, within which rules, and the prompts in it. Pure."""

from dataclasses import dataclass, replace

from shared import limits
from shared.access import Question, decide, within
from shared.errors import Refusal
from shared.gate import HouseRules
from shared.jobs import Visibility
from shared.marks import shown
from shared.orders import Ask
from shared.permutations import expand
from shared.plans import Plan, PlanBook
from shared.preferences import applied, spelt_out
from shared.prompt import Prompt, parse, readable

PREFERRED_ROOM = 1_000  # signs that preferences may add to what a plan lets somebody type
FROM_WORDS = ("imagine", "enlarge", "blend")  # every other verb goes on from a job


@dataclass(frozen=True, slots=True)
class Wording:
    """One prompt of an ask: as it will be told, and parsed."""

    text: str
    prompt: Prompt

    @property
    def links(self) -> tuple[str, ...]:
        one = self.prompt
        styles = (ref.what for ref in one.style_refs if ref.is_link)
        return (*one.images, *styles, *one.character_refs)


@dataclass(frozen=True, slots=True)
class Reading:
    """A button without words of its own has no wordings. `plan` is as much of it as the server lets reach."""

    ask: Ask
    rules: HouseRules
    question: Question
    plan: Plan
    wordings: tuple[Wording, ...] = ()

    @property
    def jobs(self) -> int:
        return max(1, sum(map(self.copies, self.wordings)))

    @property
    def links(self) -> tuple[str, ...]:
        """What came attached stands before what the text names, and a mask behind all."""
        named = (link for one in self.wordings for link in one.links)
        return (*self.ask.images, *named, *filter(None, [self.ask.mask]))

    def copies(self, wording: Wording) -> int:
        """A repeat is of what was typed; new words for a picture are one job."""
        return wording.prompt.repeat if self.ask.verb == "imagine" else 1

    def visibility(self, prompt: Prompt | None, parent: Visibility | None = None) -> Visibility:
        """What was typed, else what was asked for beside it; Refusal where stealth is not for them here. What
        comes of a stealthy picture stays so unless somebody says otherwise: nobody is exposed by a button."""
        said = (prompt.visibility if prompt else None) or self.ask.visibility
        if said is None and parent is Visibility.STEALTH:
            return Visibility.STEALTH
        seen = said or self.rules.chosen.visibility or Visibility.PUBLIC
        decide(replace(self.question, stealth=seen is Visibility.STEALTH)).check()
        return seen


def read(ask: Ask, rules: HouseRules, plan_name: str, book: PlanBook) -> Reading:
    """Refusal for what may not be asked for here at all, and for words that cannot be read."""
    terms = book.terms(plan_name, guild_id=ask.venue.guild_id, roles=ask.person.roles)
    question = rules.question(ask.person, ask.venue, terms)
    decide(question).check()
    plan = within(question)
    reading = Reading(ask, rules, question, plan, _wordings(ask, rules, plan))
    limits.check_jobs(reading.jobs, plan)
    return reading


def _wordings(ask: Ask, rules: HouseRules, plan: Plan) -> tuple[Wording, ...]:
    if ask.verb not in ("imagine", "enlarge") and not ask.text.strip():
        return ()
    typed = readable(ask.text).strip()
    spelt = spelt_out(typed, rules.chosen)
    try:
        return _of_text(spelt, ask, rules, plan)
    except Refusal as refused:
        if spelt != typed:
            refused.position = None  # it is no place in what was typed
        raise


def _of_text(spelt: str, ask: Ask, rules: HouseRules, plan: Plan) -> tuple[Wording, ...]:
    attached = len(ask.images)
    texts = expand(spelt, most=plan.max_permutations, longest=plan.max_prompt)
    if len(texts) == 1:
        return (_wording(texts[0], rules, plan, attached),)
    return tuple(_choice(text, rules, plan, attached) for text in texts)


def _choice(text: str, rules: HouseRules, plan: Plan, attached: int) -> Wording:
    """One of several: a place in it is no place in what was typed, so the error says which one it is of."""
    try:
        return _wording(text, rules, plan, attached)
    except Refusal as refused:
        sentence = f"In the prompt {shown(text)}: {refused.sentence}"
        raise Refusal(refused.code, sentence, field=refused.field) from None


def _wording(text: str, rules: HouseRules, plan: Plan, attached: int) -> Wording:
    whole = applied(text, rules.chosen, attached=attached).strip()
    longest = plan.max_prompt + PREFERRED_ROOM
    return Wording(whole, parse(whole, longest=longest, attached=attached))
