import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from discord import app_commands
from discord.ext import commands

from bot.answers import cancelled_card, choice_label, queue_card
from bot.buttons import Press
from bot.cards import Action
from bot.courier import Courier
from bot.pickers import PICKER_S
from bot.reception import Handler, Interaction, Reception, open_private, tell
from shared.admission import FrontDesk, Person
from shared.errors import Fault, Refusal
from shared.jobs import Job


class Jobs(commands.Cog):
    def __init__(self, desk: FrontDesk, reception: Reception, courier: Courier) -> None:
        self._desk = desk
        self._reception = reception
        self._courier = courier

    @app_commands.command(description="Your jobs that are waiting or running")
    async def queue(self, interaction: Interaction) -> None:
        await open_private(interaction)
        ahead = await self._desk.prospects(await self._reception.person(interaction))
        await tell(interaction, queue_card(ahead, datetime.now(UTC), news=self._courier.news))

    @app_commands.command(description="Stop one of your jobs; nothing is charged for it")
    @app_commands.describe(job="Which one; left out, your newest")
    async def cancel(self, interaction: Interaction, job: str | None = None) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        job_id = read_job_id(job) if job else await self._newest(person)
        cancelled = await self._desk.cancel(person, job_id)
        self._courier.wake()
        await tell(interaction, cancelled_card(cancelled))

    @cancel.autocomplete("job")
    async def pick(self, interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
        try:
            async with asyncio.timeout(PICKER_S):
                jobs = await self._desk.queue(await self._reception.person(interaction))
        except (Refusal, Fault, TimeoutError):
            return []
        typed = current.casefold()
        fitting = [job for job in jobs if typed in job.prompt.casefold()]
        return [app_commands.Choice(name=choice_label(j), value=j.id.hex) for j in fitting[:25]]

    def presses(self) -> dict[Action, Handler]:
        return {Action.CANCEL: self._cancel_here}

    async def _cancel_here(self, interaction: Interaction, press: Press) -> None:
        await interaction.response.defer()
        await self._desk.cancel(await self._reception.person(interaction), press.subject)
        self._courier.wake()

    async def _newest(self, person: Person) -> UUID:
        jobs = await self._desk.queue(person)
        if not jobs:
            raise Refusal("nothing_open", "Nothing of yours is waiting or running.", field="job")
        return newest(jobs).id


def newest(jobs: Sequence[Job]) -> Job:
    return max(jobs, key=lambda job: job.submitted_at)


def read_job_id(text: str) -> UUID:
    try:
        return UUID(hex=text.strip())
    except ValueError:
        sentence = "I know no such job. Pick one from the list that opens while you type."
        raise Refusal("unknown_job", sentence, field="job") from None
