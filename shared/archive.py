"""What people look up and keep at the desk: their jobs, galleries, bills, preferences and drafts."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from pydantic import SecretStr

from shared import accounts, bills, drafts, joblists, limits, lorarows, preferencerows, shots
from shared.accounts import Account
from shared.bills import Bill
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.jobs import Job, JobKind, JobState, Visibility
from shared.lifetimes import Lifetime, lifetime
from shared.lorarows import Lora
from shared.orders import Ask, Person
from shared.plans import PlanBook
from shared.preferences import Preferences
from shared.reports.books import BOOKS
from shared.reports.sheets import By, Sheet
from shared.reports.spans import Span
from shared.shots import Shot
from shared.traffic import Traffic, traffic

PICKED = 25  # what Discord shows of choices, at most
MOST_BROUGHT = 200  # LoRAs of others that are offered
PAGE = 10


class Archive:
    """Everybody sees their own, and of others what is public where they are."""

    def __init__(self, database: Database, book: PlanBook, pepper: SecretStr | None = None) -> None:
        self._database = database
        self._book = book
        self._pepper = pepper

    # --- jobs and pictures -----------------------------------------------------------------------

    async def job(self, person: Person, job_id: UUID) -> Job:
        """Refusal `unknown_job`, `not_yours`."""
        async with self._database.read() as session:
            return await self._own(session, person, job_id)

    async def history(
        self,
        person: Person,
        search: str = "",
        before: datetime | None = None,
        *,
        limit: int = PAGE,
    ) -> tuple[Job, ...]:
        """Whatever became of them, the newest first; `before` is the `submitted_at` of the last one seen."""
        return await self._told_of(person, search, before=before, limit=limit)

    async def listed(
        self,
        person: Person,
        words: str = "",
        *,
        state: JobState | None = None,
        kind: JobKind | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int = PAGE,
    ) -> tuple[Job, ...]:
        """The same by pages that lose none: `after` is `submitted_at` and the number of the last one seen."""
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            if account is None:
                return ()
            found = await joblists.listed(
                session, account.id, words=words, state=state, kind=kind, after=after, limit=limit
            )
        return tuple(found)

    async def find(self, person: Person, text: str = "", limit: int = PICKED) -> tuple[Job, ...]:
        """For pickers: by words of the prompt, or the beginning of a job's number."""
        return await self._told_of(person, text, before=None, limit=limit)

    async def gallery(
        self,
        person: Person,
        *,
        guild_id: str | None = None,
        before: datetime | None = None,
        limit: int = PAGE,
        tame: bool = False,
    ) -> tuple[Shot, ...]:
        """Pictures of `limit` jobs: the person's own, also the stealthy; of a server, what is public. `tame`:
        without what only a channel's mark of age lets through."""
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            if guild_id is not None:
                nobody = UUID(int=0)
                viewer = account.id if account else nobody
                return await shots.of_guild(
                    session, guild_id, viewer, before=before, limit=limit, tame=tame
                )
            if account is None:
                return ()
            return await shots.of_account(session, account.id, before=before, limit=limit)

    async def favourite(self, person: Person, job_id: UUID, index: int = 0) -> bool:
        """Marks picture `index`, or takes the mark away: whether it is marked now."""
        async with self._database.begin() as session:
            account = await self._shown(session, person, job_id, index)
            return await shots.toggle(session, account.id, job_id, index)

    async def like(self, person: Person, job_id: UUID, index: int = 0) -> None:
        """Marks picture `index`; once more changes nothing."""
        async with self._database.begin() as session:
            account = await self._shown(session, person, job_id, index)
            await shots.like(session, account.id, job_id, index)

    async def unlike(self, person: Person, job_id: UUID, index: int = 0) -> None:
        """Takes the mark away, if there is one; also from what nobody is shown any more."""
        async with self._database.begin() as session:
            account = await accounts.by_discord(session, person.discord_id)
            if account is not None:
                await shots.unlike(session, account.id, job_id, index)

    async def favourites(
        self, person: Person, *, before: datetime | None = None, limit: int = PAGE
    ) -> tuple[Shot, ...]:
        """The last marked first."""
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            if account is None:
                return ()
            return await shots.liked(session, account.id, before=before, limit=limit)

    async def brought(self, person: Person, guild_id: str | None) -> tuple[list[Lora], list[Lora]]:
        """The LoRAs that people brought and this one may use there: their own, and those of others."""
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            own = await lorarows.of_account(session, account.id) if account else []
            shown = await lorarows.shown(session, guild_id, limit=MOST_BROUGHT)
        known = {one.id for one in own}
        return own, [one for one in shown if one.id not in known]

    async def receipt(self, person: Person, job_id: UUID) -> Bill:
        async with self._database.read() as session:
            job = await self._own(session, person, job_id)
            return await bills.bill(session, job, self._book)

    async def lifetime(self, person: Person) -> Lifetime:
        """What the person drew and used so far, and what waits, by speed."""
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            return Lifetime() if account is None else await lifetime(session, account.id)

    async def figures(self, person: Person, span: Span, report: str, by: By) -> Sheet:
        """What this person drew (usage) or was charged (billing)."""
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            mine = account.id if account else UUID(int=0)
            return await BOOKS[report](session, span, by, account_id=mine)

    async def traffic(self, *, silent_s: float) -> Traffic:
        """Of the whole farm, in numbers alone; a worker that said nothing for `silent_s` seconds is gone."""
        async with self._database.read() as session:
            return await traffic(session, silent_s)

    # --- preferences -----------------------------------------------------------------------------

    async def preferences(self, person: Person) -> Preferences:
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            if account is None:
                return Preferences()
            return await preferencerows.read(session, account.id)

    async def set_preferences(self, person: Person, chosen: Preferences) -> Preferences:
        return await self.change_preferences(person, lambda _: chosen)

    async def change_preferences(
        self, person: Person, change: Callable[[Preferences], Preferences]
    ) -> Preferences:
        """What `change` makes of them now. Its Refusal leaves them as they are."""
        async with self._database.begin() as session:
            account = await self._account(session, person)
            chosen = change(await preferencerows.read(session, account.id))
            await preferencerows.write(session, account.id, chosen)
        return chosen

    # --- drafts ----------------------------------------------------------------------------------

    async def draft(self, person: Person, kind: str, ask: Ask) -> UUID:
        """Keeps what is not confirmed yet, for days; its buttons name it by this number."""
        async with self._database.begin() as session:
            account = await self._account(session, person)
            return await drafts.keep(session, account.id, kind, ask)

    async def read_draft(self, person: Person, draft_id: UUID) -> Ask:
        """As it stands, also after its use. Refusal `unknown_draft`, `not_yours`."""
        async with self._database.read() as session:
            return await drafts.read(session, await self._known(session, person), draft_id)

    async def change_draft(
        self, person: Person, draft_id: UUID, changed: Callable[[Ask], Ask]
    ) -> Ask:
        """`changed` of what it is now, for example `lambda ask: ask.tapped(7)`. Refusal `draft_used`."""
        async with self._database.begin() as session:
            return await drafts.change(
                session, await self._known(session, person), draft_id, changed
            )

    async def take_draft(self, person: Person, draft_id: UUID) -> Ask:
        """For one alone of all who take it at once, Refusal `draft_used` for the others. Its key is the
        draft's, so whoever asks for it twice gets the same jobs."""
        async with self._database.begin() as session:
            return await drafts.take(session, await self._known(session, person), draft_id)

    async def discard_draft(self, person: Person, draft_id: UUID) -> None:
        """Nothing will come of it, whoever confirms it later. Refusal `draft_used`, `unknown_draft`."""
        async with self._database.begin() as session:
            await drafts.discard(session, await self._known(session, person), draft_id)

    # --- who asks --------------------------------------------------------------------------------

    async def _told_of(
        self, person: Person, words: str, *, before: datetime | None, limit: int
    ) -> tuple[Job, ...]:
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            if account is None:
                return ()
            found = await joblists.told_of(session, account.id, words, before=before, limit=limit)
        return tuple(found)

    async def _shown(self, session: Session, person: Person, job_id: UUID, index: int) -> Account:
        """Whoever may see this picture. Refusal for one that is not there, or not for them."""
        account = await self._account(session, person)
        job = await joblists.load(session, job_id)
        if job is None or job.visibility is not Visibility.PUBLIC:
            job = limits.check_own(job, account.id)
        if not await shots.is_there(session, job_id, index):
            raise limits.no_such_picture(job)
        return account

    async def _own(self, session: Session, person: Person, job_id: UUID) -> Job:
        account = await accounts.by_discord(session, person.discord_id)
        job = await joblists.load(session, job_id)
        return limits.check_own(job, account.id if account else None)

    async def _known(self, session: Session, person: Person) -> UUID:
        account = await accounts.by_discord(session, person.discord_id)
        if account is None:
            raise Refusal("unknown_draft", "This is no longer kept. Please ask for it again.")
        return account.id

    async def _account(self, session: Session, person: Person) -> Account:
        return await accounts.ensure(
            session,
            person.discord_id,
            person.name,
            plan=person.plan,
            book=self._book,
            pepper=self._pepper,
            roles=person.roles,
        )
