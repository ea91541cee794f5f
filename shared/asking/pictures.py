"""What becomes of the pictures that an ask brings: kept if it is accepted, gone if it is not."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from shared import uploads
from shared.acceptance import PlanChanged
from shared.errors import Refusal
from shared.intake import Intake, Upload
from shared.orders import Ask
from shared.spec import Source

UNSEEN = Source("uploads/unseen.png", "0" * 64)  # for a price: any picture costs the same


class Pictures:
    def __init__(self, intake: Intake | None) -> None:
        self._intake = intake

    async def take(self, links: Sequence[str]) -> Mapping[str, Upload]:
        """Fetched and looked at, not kept yet."""
        if not links:
            return {}
        return await self._door().fetched(links)

    async def imagined(self, links: Sequence[str]) -> Mapping[str, Upload]:
        """In place of `take`, for who only wants to know the price."""
        return {link: Upload(UNSEEN) for link in links}

    @asynccontextmanager
    async def kept(self, taken: Sequence[Upload]) -> AsyncIterator[Callable[[bool], None]]:
        """Stored while the order is accepted, and taken away again unless it is told that jobs name them.
        After a failure nobody knows that: what nothing names is swept later."""
        named = False

        def settled(made: bool) -> None:
            nonlocal named
            named = made

        fresh = [one for one in taken if one.data is not None]
        if fresh:
            await self._door().keep(fresh)
        try:
            yield settled
        except (Refusal, PlanChanged):
            await self._discard(fresh)
            raise
        if not named:
            await self._discard(fresh)

    @asynccontextmanager
    async def adopted(self, ask: Ask) -> AsyncIterator[Ask]:
        """The same ask with our copies in place of every link."""
        links = [*ask.images, *uploads.links_in(ask.text)]
        taken = await self.take(links)
        own = {link: uploads.link_of(one.source.key) for link, one in taken.items()}
        async with self.kept(tuple(taken.values())) as settled:
            yield replace(
                ask,
                text=uploads.renamed(ask.text, own),
                images=tuple(own[link] for link in ask.images),
            )
            settled(True)

    async def _discard(self, fresh: Sequence[Upload]) -> None:
        if fresh:
            await self._door().discard(fresh)

    def _door(self) -> Intake:
        if self._intake is None:
            sentence = "No pictures can be brought here. Use words alone."
            raise Refusal("no_pictures_here", sentence, field="images")
        return self._intake
