"""What was drawn before: /history, /gallery, /receipt, /show."""

from datetime import UTC, datetime
from uuid import UUID

from discord import app_commands
from discord.ext import commands

from bot.buttons import Press
from bot.cards import Action, Card, Knob
from bot.cogs.jobs import read_job_id
from bot.pickers import Choices, Pickers
from bot.reception import (
    Handler,
    Interaction,
    Reception,
    open_here,
    open_private,
    tell,
    turn_into,
    venue_of,
)
from bot.recordcards import (
    FAVOURITES,
    NEWEST,
    OWN,
    PAGE_SHOTS,
    SERVER,
    elsewhere_card,
    gallery_card,
    history_card,
    page_id,
    page_knob,
    page_moment,
    page_of,
    receipt_card,
)
from bot.showcase import Showcase
from shared.admission import FrontDesk, Person
from shared.archive import PAGE
from shared.errors import Refusal
from shared.jobs import Job, JobState, Visibility
from shared.orders import Ask

SEARCH = "history"  # the kind of the draft that keeps what was searched for
MOST_PAGES = 100
_GALLERIES = [
    app_commands.Choice(name="Your own", value=OWN),
    app_commands.Choice(name="Your favourites", value=FAVOURITES),
    app_commands.Choice(name="This server's", value=SERVER),
]


class Records(commands.Cog):
    def __init__(
        self, desk: FrontDesk, reception: Reception, showcase: Showcase, pickers: Pickers
    ) -> None:
        self._desk, self._reception = desk, reception
        self._showcase, self._pickers = showcase, pickers

    @app_commands.command(description="Your jobs, the newest first")
    @app_commands.describe(search="Words of the prompt, or the beginning of a job's number")
    async def history(self, interaction: Interaction, search: str = "") -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        search = search.strip()[:200]
        if not search:
            await tell(interaction, await self._page(person, datetime.now(UTC)))
            return
        asked = Ask(SEARCH, person, venue_of(interaction), str(interaction.id), None, text=search)
        draft_id = await self._desk.draft(person, SEARCH, asked)
        await tell(interaction, await self._found(person, search, draft_id, 0))

    @app_commands.command(description="Pictures: yours, your favourites, or this server's")
    @app_commands.describe(of="Whose; left out, your own")
    @app_commands.choices(of=_GALLERIES)
    async def gallery(self, interaction: Interaction, of: int = OWN) -> None:
        await open_private(interaction)
        await tell(interaction, await self._shots(interaction, of, datetime.now(UTC)))

    @app_commands.command(description="What a job was quoted, and what it cost")
    @app_commands.describe(job="Which one: words of its prompt find it")
    async def receipt(self, interaction: Interaction, job: str) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        await tell(interaction, receipt_card(await self._desk.receipt(person, read_job_id(job))))

    @app_commands.command(description="Post one of your jobs again, with its buttons")
    @app_commands.describe(job="Which one: words of its prompt find it")
    async def show(self, interaction: Interaction, job: str) -> None:
        """Where everybody sees it what everybody may; the rest in private."""
        person = await self._reception.person(interaction)
        found = await self._desk.job(person, read_job_id(job))
        private = found.state is not JobState.SUCCEEDED or not shows_here(found, interaction)
        await interaction.response.defer(ephemeral=private, thinking=True)
        if not found.state.terminal:
            link = await self._showcase.message_link(found)
            interaction.extras["private"] = True
            await tell(interaction, elsewhere_card(found, link))
            return
        card = await self._showcase.card(found, person.discord_id)
        parcel = await self._showcase.parcel(card, most=interaction.filesize_limit)
        await interaction.edit_original_response(**parcel.to_edit())

    @receipt.autocomplete("job")
    async def receipts(self, interaction: Interaction, current: str) -> Choices:
        return await self._pickers.job(interaction, current)

    @show.autocomplete("job")
    async def shows(self, interaction: Interaction, current: str) -> Choices:
        return await self._pickers.job(interaction, current)

    def presses(self) -> dict[Action, Handler]:
        return {Action.HISTORY: self._turn_history, Action.GALLERY: self._turn_gallery}

    async def _turn_history(self, interaction: Interaction, press: Press) -> None:
        await open_here(interaction)
        person = await self._reception.person(interaction)
        moment = page_moment(press.subject)
        if moment is None:
            search = (await self._desk.read_draft(person, press.subject)).text
            card = await self._found(person, search, press.subject, press.index)
        else:
            card = await self._page(person, _or_now(moment))
        await turn_into(interaction, card)

    async def _turn_gallery(self, interaction: Interaction, press: Press) -> None:
        await open_here(interaction)
        moment = page_moment(press.subject)
        if moment is None or press.index not in (OWN, SERVER, FAVOURITES):
            raise Refusal("unknown_page", "There is no such page. Use /gallery.")
        await turn_into(interaction, await self._shots(interaction, press.index, _or_now(moment)))

    async def _page(self, person: Person, before: datetime) -> Card:
        jobs = await self._desk.history(person, before=before, limit=PAGE + 1)
        here, newest = jobs[:PAGE], page_knob("Newest", Action.HISTORY, NEWEST)
        if len(jobs) <= PAGE:
            return history_card(here, newest=newest)
        older = page_knob("Older", Action.HISTORY, page_id(here[-1].submitted_at))
        return history_card(here, newest=newest, older=older)

    async def _found(self, person: Person, search: str, draft_id: UUID, page: int) -> Card:
        """A search keeps its words in a draft, and its pages are counted."""
        jobs = await self._desk.history(person, search, limit=(page + 1) * PAGE + 1)
        here = jobs[page * PAGE : (page + 1) * PAGE]
        more = len(jobs) > (page + 1) * PAGE and page < MOST_PAGES
        return history_card(
            here,
            search=search,
            newest=_turn("Newer", draft_id, page - 1) if page > 0 else None,
            older=_turn("Older", draft_id, page + 1) if more else None,
        )

    async def _shots(self, interaction: Interaction, which: int, before: datetime) -> Card:
        guild_id = str(interaction.guild_id) if interaction.guild_id else None
        if which == SERVER and guild_id is None:
            raise Refusal("no_server", "This is no server. /gallery shows your own pictures here.")
        person = await self._reception.person(interaction)
        if which == FAVOURITES:
            shots = await self._desk.favourites(person, before=before, limit=PAGE_SHOTS + 1)
        else:
            asked = guild_id if which == SERVER else None
            shots = await self._desk.gallery(person, guild_id=asked, before=before)
        here = page_of(shots, whole=which != FAVOURITES)
        more = len(here) < len(shots) or len({shot.job.id for shot in shots}) == PAGE
        older = page_knob("Older", Action.GALLERY, page_id(here[-1].at), which) if more else None
        seen = [shot for shot in here if which != SERVER or shows_here(shot.job, interaction)]
        newest = page_knob("Newest", Action.GALLERY, NEWEST, which)
        return gallery_card(seen, which, link=self._showcase.link, older=older, newest=newest)


def _turn(label: str, draft_id: UUID, page: int) -> Knob:
    return page_knob(label, Action.HISTORY, draft_id, page)


def _or_now(moment: datetime) -> datetime:
    return datetime.now(UTC) if moment == page_moment(NEWEST) else moment


def shows_here(job: Job, interaction: Interaction) -> bool:
    """Not what is stealthy; and what was drawn under an age mark, or nobody knows where, stays under one."""
    if job.visibility is Visibility.STEALTH:
        return False
    venue = venue_of(interaction)
    if venue.age_restricted or job.channel_id in (None, venue.channel_id):
        return venue.age_restricted or not job.strict
    drawn_in = interaction.client.get_channel(int(job.channel_id or 0))
    nsfw = getattr(drawn_in, "is_nsfw", None)
    return nsfw is not None and not nsfw()
