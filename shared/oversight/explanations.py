"""Why something is allowed or not: the same rules that the front desk asks, and the line that decides."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared import access as rules
from shared import gate
from shared.access import Decision, Question
from shared.catalog import Catalog
from shared.connections import Database
from shared.errors import Refusal
from shared.moderation.ranks import Moderator, Rank
from shared.orders import Person, Venue
from shared.oversight import access
from shared.plans import PlanBook


@dataclass(frozen=True, slots=True)
class Explanation:
    """`said` are all lines that had something to say, in the order in which they decide."""

    model: str
    plan: str
    decision: Decision
    said: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Models:
    """`usual` is the one that draws when nobody names one; `said` is by name."""

    usual: str
    said: Mapping[str, Decision]


@dataclass(frozen=True, slots=True)
class Explanations:
    database: Database
    book: PlanBook
    catalog: Catalog

    async def explain(
        self, asker: Moderator, person: Person, venue: Venue, *, model: str = ""
    ) -> Explanation:
        """Everybody may ask about themselves, moderators about all on their server. Without a model: the one
        that is taken when nobody names one."""
        if asker.discord_id != person.discord_id:
            access.require(asker, Rank.MODERATOR)
        question = await self._question(person, venue)
        if not model:
            names = (self.catalog.default, *self.catalog.checkpoints)
            model = rules.usual_model(question, names)
        said = self._said(question, model)
        denied = next((one for one in said if not one.allowed), None)
        decision = denied or (said[-1] if said else rules.decide(question))
        return Explanation(model, question.plan.title, decision, tuple(said))

    async def models(self, person: Person, venue: Venue) -> Models:
        """Of every checkpoint, whether this person may draw with it here, and which one is taken when they
        name none."""
        question = await self._question(person, venue)
        names = (self.catalog.default, *self.catalog.checkpoints)
        said = {name: rules.decide_model(replace(question, model=name)) for name in names}
        return Models(rules.usual_model(question, names), said)

    def _said(self, question: Question, model: str) -> list[Decision]:
        """In the order in which the desk asks: who and where, then with what."""
        before = rules.weighed(question)
        if any(not one.allowed for one in before):
            return before
        asked = self._about(question, model)
        adapters = self.catalog.adapters
        kept = [
            rules.adapter_plan(name, adapters[name].plan, question.plan, self.book)
            for name in asked.adapters
        ]
        return [*kept, *rules.weighed(asked)]

    async def _question(self, person: Person, venue: Venue) -> Question:
        """As the front desk puts it, before anything is asked for."""
        async with self.database.single() as session:
            found = await gate.read(session, person, venue)
        plan = self.book.weightiest([person.plan, *found.plans]).name
        terms = self.book.terms(plan, guild_id=venue.guild_id, roles=person.roles)
        return found.question(person, venue, terms)

    def _about(self, question: Question, model: str) -> Question:
        if model in self.catalog.checkpoints:
            return replace(question, model=model)
        if model in self.catalog.adapters:
            return replace(question, adapters=(model,))
        sentence = f"There is no model “{model[:40]}” here. Choose one of the list."
        raise Refusal("unknown_model", sentence, field="model")
