"""Discipline: warnings, strikes, bans, GPU time, and what is known of a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared import jobstore, ledger
from shared.accounts import Account
from shared.config import SafetySettings
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.jobs import JobState
from shared.ledger import Balance
from shared.moderation import bans, caselists, strikes
from shared.moderation.audit import audit
from shared.moderation.bans import Ban
from shared.moderation.cases import Case
from shared.moderation.ranks import Moderator, Rank
from shared.moderation.strikes import Consequence, Strike
from shared.oversight import access
from shared.oversight.withdrawals import Withdrawals

MINUTE_MS = 60_000
MOST_MINUTES = 100_000
HEAVIEST = 10  # of one strike
RECENT = 10


@dataclass(frozen=True, slots=True)
class Record:
    """What this server (the operator: every one) knows of a person. `jobs` are counts by state."""

    account: Account
    weight: int
    consequence: Consequence
    bans: tuple[Ban, ...]
    strikes: tuple[Strike, ...]
    cases: tuple[Case, ...]
    jobs: Mapping[str, int]
    balance: Balance


@dataclass(frozen=True, slots=True)
class Banned:
    """How many jobs were cancelled and refunded, and how many files withdrawn."""

    account: Account
    jobs: int
    files: int


@dataclass(frozen=True, slots=True)
class Discipline:
    database: Database
    withdrawals: Withdrawals
    safety: SafetySettings

    async def user(self, mod: Moderator, discord_id: str) -> Record:
        access.require(mod, Rank.VIEWER)
        guild = access.scope(mod)
        async with self.database.read() as session:
            account = await access.person(session, discord_id)
            weight = await strikes.active_weight(session, account.id, guild)
            return Record(
                account,
                weight,
                strikes.consequence(weight, self.safety),
                tuple(await bans.current(session, account.id, guild)),
                tuple(await strikes.of_account(session, account.id, guild, limit=RECENT)),
                tuple(await caselists.of_account(session, account.id, guild, limit=RECENT)),
                await jobstore.state_counts(session, account.id),
                await ledger.balance(session, account.id),
            )

    async def warn(self, mod: Moderator, discord_id: str, reason: str) -> Account:
        account, _ = await self._strike(mod, discord_id, reason, weight=0)
        return account

    async def strike(
        self, mod: Moderator, discord_id: str, reason: str, *, weight: int = 1
    ) -> tuple[Account, Consequence]:
        """And what follows from all that counts now."""
        if not 1 <= weight <= HEAVIEST:
            raise Refusal("bad_weight", f"A strike weighs 1 to {HEAVIEST}.", field="weight")
        return await self._strike(mod, discord_id, reason, weight=weight)

    async def ban(
        self,
        mod: Moderator,
        discord_id: str,
        reason: str,
        *,
        days: float | None = None,
        everywhere: bool = False,
    ) -> Banned:
        """From this server, or from everywhere (the operator's admins): one transaction cancels and
        refunds what is open and withdraws what was delivered. Files and rings go right after it."""
        guild = access.scope(mod, everywhere=everywhere)
        lasts = None if days is None else timedelta(days=days)
        async with self.database.begin() as session:
            account = await self._target(session, mod, discord_id)
            if await _is_banned(session, account.id, guild):
                raise Refusal("banned_before", "This person is banned already.", field="user")
            await bans.ban(
                session,
                account.id,
                guild_id=guild,
                reason=_reason(reason),
                actor=mod.actor,
                lasts=lasts,
            )
            taken = await self.withdrawals.take(session, account.id, guild)
            counts = {"guild": guild, "jobs": len(taken.jobs), "files": len(taken.keys)}
            await audit(session, mod.actor, "withdrawn", f"account:{account.id}", counts)
        await self.withdrawals.finish(taken)
        return Banned(account, len(taken.jobs), len(taken.keys))

    async def quota(
        self, mod: Moderator, discord_id: str, minutes: float, reason: str, *, key: str
    ) -> Balance:
        """Grants GPU minutes, or takes them when below 0. The same key moves them once. The GPUs are
        the operator's: once a home server is set, only its admins give of them."""
        access.require(mod, Rank.ADMIN)
        if self.safety.home_guild is not None:
            access.require_house(mod)
        amount_ms = round(abs(minutes) * MINUTE_MS)
        if not 0 < amount_ms <= MOST_MINUTES * MINUTE_MS:
            sentence = f"Between 0 and {MOST_MINUTES} minutes, either way."
            raise Refusal("bad_minutes", sentence, field="minutes")
        move = ledger.grant if minutes > 0 else ledger.revoke
        async with self.database.begin() as session:
            account = await self._target(session, mod, discord_id)
            note = f"{mod.actor}: {_reason(reason)}"
            if await move(session, account.id, amount_ms, key=f"quota:{key}", note=note):
                told = {"guild": mod.guild_id, "minutes": minutes, "reason": reason}
                await audit(session, mod.actor, "quota", f"account:{account.id}", told)
            return await ledger.balance(session, account.id)

    async def refund(self, mod: Moderator, job_id: UUID, reason: str) -> int:
        """What a delivered job cost goes back, once; how many GPU-milliseconds that was."""
        access.require(mod, Rank.MODERATOR)
        async with self.database.begin() as session:
            job = await jobstore.load(session, job_id)
            if job is None or not access.sees(mod, job.guild_id):
                raise Refusal("unknown_job", "There is no such job on this server.", field="job")
            await access.check_not_self(session, mod, job.account_id)
            if job.state is not JobState.SUCCEEDED or not job.charged_ms:
                raise Refusal("nothing_charged", "This job was not charged for.", field="job")
            note = f"{mod.actor}: {_reason(reason)}"
            key = f"refund:{job_id}"
            if not await ledger.grant(session, job.account_id, job.charged_ms, key=key, note=note):
                raise Refusal("refunded_before", "This job was refunded before.", field="job")
            told = {"guild": job.guild_id, "ms": job.charged_ms, "reason": reason}
            await audit(session, mod.actor, "refund", f"job:{job_id}", told)
        return job.charged_ms

    async def _strike(
        self, mod: Moderator, discord_id: str, reason: str, *, weight: int
    ) -> tuple[Account, Consequence]:
        async with self.database.begin() as session:
            account = await self._target(session, mod, discord_id)
            follows = await strikes.strike_by_hand(
                session,
                account.id,
                guild_id=access.scope(mod),
                weight=weight,
                reason=_reason(reason),
                actor=mod.actor,
                rules=self.safety,
            )
        return account, follows

    async def _target(self, session: Session, mod: Moderator, discord_id: str) -> Account:
        access.require(mod, Rank.MODERATOR)
        account = await access.person(session, discord_id)
        await access.check_not_self(session, mod, account.id)
        return account


async def _is_banned(session: Session, account_id: UUID, guild_id: str | None) -> bool:
    """Two who ban at once: the second sees the first one's."""
    await bans.lock(session, account_id)
    now = await bans.current(session, account_id, guild_id)
    return any(ban.kind == bans.BAN and ban.guild_id == guild_id for ban in now)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise Refusal("no_reason", "Say why: it is written down.", field="reason")
    return reason.strip()[:500]
