"""Who sits at the desk in these tests, and what they look at."""

from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared import accounts, jobstore, ledger
from shared.accounts import Account
from shared.admission import FrontDesk, Person, PromptBlocked, Submission
from shared.bell import Bell
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.jobs import Job, JobState, Route
from shared.moderation.ranks import Moderator, Rank
from shared.orders import Venue
from shared.oversight.desk import Oversight
from shared.storage import LocalStore
from tests.shared.rows import BOOK, Ruling, bring_to, make_job

GUILD, ELSEWHERE = "12", "99"
ADA, BO = Person("1", "Ada", "pro"), Person("2", "Bo", "pro")
OPERATOR = Moderator("900", "root", None, Rank.ADMIN)
ADMIN = Moderator("901", "Ann", GUILD, Rank.ADMIN)
ADMIN_TWO = Moderator("902", "Abe", GUILD, Rank.ADMIN)
MOD = Moderator("911", "Max", GUILD, Rank.MODERATOR)
MOD_TWO = Moderator("912", "Mia", GUILD, Rank.MODERATOR)
VIEWER = Moderator("921", "Vic", GUILD, Rank.VIEWER)
STRANGER = Moderator("931", "Sam", ELSEWHERE, Rank.ADMIN)
# A plain phrase that the tests' moderators block.
BLOCKED = "velvet hedgehog"
_keys = count(1)


@dataclass(frozen=True)
class House:
    """Everything that is open while a test runs."""

    database: Database
    desk: FrontDesk
    oversight: Oversight
    store: LocalStore
    bell: Bell

    async def account(self, person: Person = ADA) -> Account:
        return await self.desk.account(person)

    async def submit(self, typed: str, person: Person = ADA, *, guild: str = GUILD) -> Any:
        venue, key = Venue(guild, "10"), f"asked-{next(_keys)}"
        route = Route("10", "11", person.discord_id, guild_id=guild)
        return await self.desk.submit(Submission(typed, person, route, key, venue=venue))

    async def blocked(self, person: Person = ADA) -> UUID:
        """The case of a prompt that a moderator's own word has stopped."""
        with pytest.raises(PromptBlocked) as stopped:
            await self.submit(f"a {BLOCKED} in the garden", person)
        assert stopped.value.case_id is not None
        return stopped.value.case_id

    async def drawn(self, person: Person = ADA, *, guild: str = GUILD) -> Job:
        """A delivered grid of four whose files lie in the store."""
        account = await self.account(person)
        async with self.database.begin() as session:
            job = await make_job(session, account, guild_id=guild, kind="imagine")
            job = await bring_to(session, job, JobState.SUCCEEDED)
            keys = await assets_of(session, job)
        for key in keys:
            await self.store.put(key, b"picture", mime="image/webp")
        return job

    async def scalar(self, query: str, **told: Any) -> Any:
        async with self.database.read() as session:
            return await session.scalar(text(query), told)

    async def actions(self) -> list[str]:
        async with self.database.read() as session:
            return list(await session.scalars(text("select action from audit order by id")))

    async def check_books(self) -> None:
        async with self.database.read() as session:
            assert await ledger.audit_sums(session) == []

    async def files(self) -> list[str]:
        return [file.key async for page in self.store.list() for file in page]


async def refused(work: Awaitable[object]) -> str:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value.code


async def assets_of(session: Session, job: Job) -> list[str]:
    verdict = await jobstore.add_verdict(session, job.id, "image", Ruling(), attempt=1)
    keys = []
    for kind, index in (("grid", 0), ("image", 0), ("image", 1), ("image", 2), ("image", 3)):
        key = f"{job.id}/1/{kind}-{index}.webp"
        await jobstore.add_asset(
            session,
            job.id,
            kind=kind,
            index=index,
            key=key,
            sha256="0" * 64,
            size=7,
            width=8,
            height=8,
            mime="image/webp",
            verdict_id=verdict,
        )
        keys.append(key)
    return keys


async def an_account(session: Session, person: Person) -> Account:
    return await accounts.ensure(
        session, person.discord_id, person.name, plan=person.plan, book=BOOK
    )
