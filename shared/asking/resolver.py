"""Makes an order of what was read: each verb its way. Pictures that were taken in are not kept yet."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from shared import lorarows
from shared.access import Question, decide
from shared.asking import offspring, parts
from shared.asking.parents import Parent, parent_of
from shared.asking.pieces import blended_text, kept_text, order_of, piece_of, shape_notice
from shared.asking.reading import Reading, Wording
from shared.asking.rulebook import Rulebook
from shared.brought import stocked
from shared.catalog import Checkpoint, Size
from shared.connections import Database
from shared.errors import Refusal
from shared.intake import Taken, Upload
from shared.jobs import JobKind
from shared.limits import check_steps
from shared.lineage import blend_spec
from shared.notices import notices
from shared.orders import MOST_PICTURES, Ask, Order, Piece
from shared.safety.verdict import Verdict
from shared.screening import Screening
from shared.spec import RenderSpec, resolve

SHAPES: Mapping[str, Size] = {"": (1, 1), "square": (1, 1), "portrait": (2, 3), "landscape": (3, 2)}
Take = Callable[[Sequence[str]], Awaitable[Taken]]


class Resolver:
    def __init__(
        self,
        database: Database,
        rulebook: Rulebook,
        screening: Screening,
        draw_seed: Callable[[], int],
    ) -> None:
        self._database = database
        self._rulebook = rulebook
        self._screening = screening
        self._draw_seed = draw_seed

    async def order(self, reading: Reading, permit: Verdict | None, take: Take) -> Order:
        """`take` fetches what links name. `permit` is a moderator's word in place of the screen's."""
        if reading.ask.verb == "blend":
            return await self._blended(reading, permit, take)
        if reading.ask.verb in ("imagine", parts.ENLARGE):
            furnished = await self._stocked(reading)
            return await furnished._imagined(reading, permit, take)
        offspring.check(reading.ask)
        parent = await parent_of(self._database, reading.ask)
        furnished = await self._stocked(reading, parent)
        return await furnished._descended(reading, parent, permit, take)

    async def _stocked(self, reading: Reading, parent: Parent | None = None) -> "Resolver":
        """With the LoRAs that people brought, where such are asked for."""
        worn = {one.name for one in parent.job.spec.loras} if parent else set()
        asked = {one.name for wording in reading.wordings for one in wording.prompt.loras}
        known = map(str.casefold, self._rulebook.catalog.adapters)
        names = {name.casefold() for name in worn | asked}.difference(known)
        if not names:
            return self
        person, venue = reading.ask.person, reading.ask.venue
        async with self._database.read() as session:
            found = await lorarows.visible(session, person.discord_id, venue.guild_id, names)
        shelf = stocked(self._rulebook.catalog, found)
        rulebook = replace(self._rulebook, catalog=shelf)
        return Resolver(self._database, rulebook, self._screening, self._draw_seed)

    # --- from words --------------------------------------------------------------------------

    async def _imagined(self, reading: Reading, permit: Verdict | None, take: Take) -> Order:
        verdicts = [await self._of_words(reading, one, permit) for one in reading.wordings]
        taken = dict(await take(reading.links))
        reading = parts.shaped(reading, taken)
        seed = self._seed(reading.ask)
        pieces: list[Piece] = []
        for wording, verdict in zip(reading.wordings, verdicts, strict=True):
            for copy in range(reading.copies(wording)):
                spec = self._resolved(reading, wording, taken, seed=seed, copy=copy)
                spec = _counted(spec, reading.ask, copy)
                if parts.is_of_one(reading.ask):
                    spec = self._partly(reading, wording, spec, taken)
                pieces.append(piece_of(reading, wording, spec, verdict, taken))
        told = self._notices(reading, pieces)
        return order_of(reading, JobKind.IMAGINE, pieces, taken, told, manner=reading.ask.manner)

    def _partly(
        self, reading: Reading, wording: Wording, spec: RenderSpec, taken: dict[str, Upload]
    ) -> RenderSpec:
        ask, checkpoint = reading.ask, self._rulebook.catalog.get(spec.checkpoint)
        source = parts.only(parts.sources_of(ask, wording, taken).images)
        mask = parts.mask_of(ask, spec, taken) if ask.redraws else None
        spec = parts.made_of(
            ask, spec, source, checkpoint=checkpoint, mask=mask.source if mask else None
        )
        check_steps(spec.steps, reading.plan)
        return spec

    async def _blended(self, reading: Reading, permit: Verdict | None, take: Take) -> Order:
        ask, plan = reading.ask, reading.plan
        if ask.manner not in SHAPES:
            named = ", ".join(filter(None, SHAPES))
            raise Refusal("invalid_value", f"A blend's shape is one of: {named}.", field="shape")
        checkpoint = self._rulebook.usual(reading.question)
        taken = await take(ask.images)
        sources = [taken[link].source for link in ask.images]
        spec = blend_spec(
            sources,
            checkpoint=checkpoint,
            plan=plan,
            seed=self._seed(ask),
            aspect=SHAPES[ask.manner],
        )
        spec = _counted(spec, ask)
        _allow(self._rulebook, reading, spec)
        text = blended_text(sources, SHAPES[ask.manner])
        verdict = permit or await self._screening.screened(
            ask, reading.rules, texts=(), negative=(), said=text
        )
        piece = Piece(text, spec, verdict, ask.speed, reading.visibility(None))
        return order_of(reading, JobKind.BLEND, [piece], taken, manner=ask.manner)

    # --- from a picture ----------------------------------------------------------------------

    async def _descended(
        self, reading: Reading, parent: Parent, permit: Verdict | None, take: Take
    ) -> Order:
        ask = reading.ask
        taken = dict(await take(reading.links))
        mask = parts.mask_of(ask, parent.job.spec, taken) if ask.verb == "region" else None
        manner = offspring.manner_of(ask, reading.rules.chosen, parent)
        wordings: Sequence[Wording | None] = reading.wordings or (None,)
        pieces = []
        for wording in wordings:
            spec, checkpoint = self._recipe(reading, parent, wording, taken)
            spec = offspring.offspring(
                ask,
                parent,
                spec,
                checkpoint=checkpoint,
                seed=self._seed(ask),
                manner=manner,
                mask=mask.source if mask else None,
            )
            pieces.append(await self._heir(reading, parent, wording, spec, permit, taken))
        order = order_of(
            reading, offspring.kind_of(ask, parent), pieces, taken, shape_notice(reading, parent)
        )
        return replace(
            order,
            manner=manner,
            parent_id=parent.job.id,
            parent_index=offspring.index_of(ask, parent),
        )

    def _recipe(
        self, reading: Reading, parent: Parent, wording: Wording | None, taken: Taken
    ) -> tuple[RenderSpec, Checkpoint]:
        """The parent's, or what new words make of it."""
        before = parent.job.spec
        usual = self._rulebook.catalog.get(before.checkpoint)
        if wording is None:
            return before, usual
        checkpoint = self._rulebook.named(wording.prompt) or usual
        fresh = self._resolved(reading, wording, taken, seed=before.seed, checkpoint=checkpoint)
        fresh = offspring.shaped(reading.ask, before, fresh)
        return offspring.remixed(before, fresh), checkpoint

    async def _heir(
        self,
        reading: Reading,
        parent: Parent,
        wording: Wording | None,
        spec: RenderSpec,
        permit: Verdict | None,
        taken: Taken,
    ) -> Piece:
        check_steps(spec.steps, reading.plan)
        _allow(self._rulebook, reading, spec)
        said = wording.text if wording else parent.job.prompt
        negative = tuple(part for part in spec.negative.split(", ") if part)
        verdict = permit or await self._screening.screened(
            reading.ask,
            reading.rules,
            texts=spec.texts,
            negative=negative,
            said=said,
            words=parts.region_words(reading.ask),
        )
        prompt = wording.prompt if wording else None
        visibility = reading.visibility(prompt, parent.job.visibility)
        speed = (prompt.speed if prompt else None) or reading.ask.speed
        text = kept_text(reading, wording, taken, spec) if wording else parent.job.prompt
        return Piece(text, spec, verdict, speed, visibility)

    # --- what they share ---------------------------------------------------------------------

    def _seed(self, ask: Ask) -> int:
        return ask.seed if ask.reuse else self._draw_seed()

    async def _of_words(
        self, reading: Reading, wording: Wording, permit: Verdict | None
    ) -> Verdict:
        one = wording.prompt
        return permit or await self._screening.screened(
            reading.ask,
            reading.rules,
            texts=one.texts,
            negative=one.negative,
            said=wording.text,
            words=parts.region_words(reading.ask),
        )

    def _resolved(
        self,
        reading: Reading,
        wording: Wording,
        taken: Taken,
        *,
        seed: int,
        copy: int = 0,
        checkpoint: Checkpoint | None = None,
    ) -> RenderSpec:
        prompt, rulebook = wording.prompt, self._rulebook
        chosen = checkpoint or rulebook.checkpoint(prompt, reading.question)
        spec = resolve(
            prompt,
            chosen,
            plan=reading.plan,
            seed=seed,
            copy=copy,
            catalog=rulebook.catalog,
            sources=parts.sources_of(reading.ask, wording, taken),
        )
        _allow(self._rulebook, reading, spec, wording)
        return spec

    def _notices(self, reading: Reading, pieces: Sequence[Piece]) -> tuple[str, ...]:
        first = pieces[0].spec
        checkpoint = self._rulebook.catalog.get(first.checkpoint)
        return notices(reading.wordings[0].prompt, first, checkpoint)


def _counted(spec: RenderSpec, ask: Ask, copy: int = 0) -> RenderSpec:
    """With as many pictures as were asked for; `copy` of --repeat draws none of those before it again."""
    if not 0 <= ask.pictures <= MOST_PICTURES:
        sentence = f"A job makes 1 to {MOST_PICTURES} pictures; {ask.pictures} is not possible."
        raise Refusal("invalid_value", sentence, field="n")
    if not ask.pictures:
        return spec
    first = spec.seed + copy * (ask.pictures - spec.images)
    return replace(spec, images=ask.pictures, seed=first % 2**32)


def _allow(
    rulebook: Rulebook, reading: Reading, spec: RenderSpec, wording: Wording | None = None
) -> None:
    """Refusal for a checkpoint, an adapter, or so many steps, that are not for this person here."""
    seen = (*(one.name for one in spec.controls), *(one.name for one in spec.references))
    adapters = (*(one.name for one in spec.loras), *seen)
    rulebook.check_adapters(adapters, reading.plan)
    steps = wording.prompt.steps if wording else None
    asked: Question = replace(
        reading.question, model=spec.checkpoint, adapters=adapters, steps=steps or 0
    )
    decide(asked).check()
