"""/mod queue, /mod review and the buttons under a case."""

import asyncio
from typing import cast
from uuid import UUID

from discord import app_commands
from discord.ext import commands

from bot import modcards, outcomes
from bot.buttons import Press
from bot.cards import Action, Card
from bot.courier import Courier
from bot.letters import Letters
from bot.modals import filled_in, open_form
from bot.pickers import PICKER_S
from bot.reception import Handler, Interaction, open_here, open_private, tell, turn_into
from bot.seats import seat
from bot.showing import Showing
from shared.errors import Fault, Refusal
from shared.moderation import cases
from shared.moderation.cases import Case
from shared.moderation.ranks import Moderator
from shared.oversight.desk import Oversight
from shared.oversight.review import Decision


class Review(commands.Cog):
    """Everything is shown to the moderator alone, and the desk decides at each press who may."""

    oversight: Oversight
    showing: Showing
    letters: Letters
    courier: Courier

    @app_commands.command(description="What waits for a moderator")
    async def queue(self, interaction: Interaction) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        await tell(interaction, await self._queue(mod))

    @app_commands.command(description="Look at one case")
    @app_commands.describe(case="Which one; left out, the most urgent")
    async def review(self, interaction: Interaction, case: str | None = None) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        wanted = read_case_id(case) if case else await self._following(mod, None)
        await self._show(interaction, mod, wanted)

    @review.autocomplete("case")
    async def pick_case(
        self, interaction: Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        try:
            async with asyncio.timeout(PICKER_S):
                mod = await seat(self.oversight.house, interaction)
                found = await self.oversight.review.queue(mod, limit=25)
        except (Refusal, Fault, TimeoutError):
            return []
        labels = [(modcards.case_label(case), case.id.hex) for case in found]
        typed = current.casefold()
        return [
            app_commands.Choice(name=label, value=id)
            for label, id in labels
            if typed in label.casefold()
        ]

    async def _queue(self, mod: Moderator) -> Card:
        waiting = await self.oversight.review.waiting(mod)
        found = await self.oversight.review.queue(mod, limit=modcards.QUEUE_CASES)
        return modcards.queue_card(found, waiting)

    def review_presses(self) -> dict[Action, Handler]:
        return {
            Action.REVIEW: self._open,
            Action.NEXT: self._go_on,
            Action.REVEAL: self._reveal,
            Action.LIFT: self._lift,
            Action.UPHOLD: self._uphold,
            Action.NOTE: self._ask_for_a_note,
        }

    def review_forms(self) -> dict[Action, Handler]:
        return {Action.NOTE: self._lift}

    async def _open(self, interaction: Interaction, press: Press) -> None:
        await open_here(interaction)
        mod = await seat(self.oversight.house, interaction)
        await self._show(interaction, mod, press.subject)

    async def _go_on(self, interaction: Interaction, press: Press) -> None:
        await open_here(interaction)
        mod = await seat(self.oversight.house, interaction)
        await self._show(interaction, mod, await self._following(mod, press.subject))

    async def _show(self, interaction: Interaction, mod: Moderator, case_id: UUID | None) -> None:
        if case_id is None:
            await turn_into(interaction, await self._queue(mod))
            return
        dossier = await self.oversight.review.case(mod, case_id)
        picture, files = await self.showing.veiled(mod, dossier.case)
        name = dossier.author.name if dossier.author else "somebody who is gone"
        card = modcards.review_card(
            dossier.case,
            name,
            prompt=dossier.job.prompt if dossier.job else "",
            picture=picture,
            strikes=dossier.weight,
        )
        await turn_into(interaction, card, *files)

    async def _following(self, mod: Moderator, after: UUID | None) -> UUID | None:
        """The most urgent one besides the case that is open."""
        found = await self.oversight.review.queue(mod, limit=2)
        return next((case.id for case in found if case.id != after), None)

    async def _reveal(self, interaction: Interaction, press: Press) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        dossier = await self.oversight.review.case(mod, press.subject)
        file = await self.showing.clear(mod, dossier.case)
        await tell(interaction, modcards.revealed_card(dossier.case), *([file] if file else []))

    async def _ask_for_a_note(self, interaction: Interaction, press: Press) -> None:
        await open_form(interaction, modcards.note_form(press.subject))

    async def _lift(self, interaction: Interaction, press: Press) -> None:
        await open_here(interaction)
        mod = await seat(self.oversight.house, interaction)
        case = (await self.oversight.review.case(mod, press.subject)).case
        pictured = case.kind in (cases.REPORT, cases.SAMPLE)
        decide = self.oversight.review.approve if pictured else self.oversight.review.lift
        decision = await decide(mod, case.id, filled_in(interaction).get("text", ""))
        await self._close(interaction, mod, decision)

    async def _uphold(self, interaction: Interaction, press: Press) -> None:
        await open_here(interaction)
        mod = await seat(self.oversight.house, interaction)
        decision = await self.oversight.review.uphold(mod, press.subject)
        await self._close(interaction, mod, decision)

    async def _close(self, interaction: Interaction, mod: Moderator, decision: Decision) -> None:
        case = decision.case
        if decision.receipt is not None:
            self.courier.expect(decision.receipt.jobs)
        self.courier.wake()
        letter = letter_of(decision)
        author = (await self.oversight.review.case(mod, case.id)).author
        reached = bool(letter and author and await self.letters.write(author.discord_id, letter))
        told = modcards.told_of(case, decision.refusal, reached=reached if letter else None)
        await turn_into(interaction, modcards.closed_card(case, told))


def letter_of(decision: Decision) -> Card | None:
    """What its author is told; nothing of a report that came to nothing."""
    case = decision.case
    if case.kind in (cases.REPORT, cases.SAMPLE):
        return outcomes.withdrawn_card(case) if case.state == cases.UPHELD else None
    if case.state == cases.UPHELD:
        return outcomes.upheld_card(case) if case.appeal is not None else None
    channel = channel_of(case) if decision.receipt else ""
    return outcomes.lifted_card(case, channel_id=channel, refusal=decision.refusal)


def channel_of(case: Case) -> str:
    route = (case.submission or {}).get("route") or {}
    return cast(str, route.get("channel_id") or "")


def read_case_id(text: str) -> UUID:
    try:
        return UUID(hex=text.strip())
    except ValueError:
        sentence = "I know no such case. Pick one from the list that opens while you type."
        raise Refusal("unknown_case", sentence, field="case") from None
