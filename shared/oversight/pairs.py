"""What two people decide: lifting a ban, and a server's own thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.config import SafetySettings
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.moderation import bans, policies, proposals
from shared.moderation.audit import audit
from shared.moderation.proposals import Proposal
from shared.moderation.ranks import Moderator, Rank
from shared.oversight import access
from shared.safety.policy import Band, OperatorPolicy

_RANKS = {proposals.UNBAN: Rank.MODERATOR, proposals.POLICY: Rank.ADMIN}


@dataclass(frozen=True, slots=True)
class PolicyView:
    """In force on a server: `own` is what it set itself, `number` the version of that (0: none)."""

    number: int
    own: Mapping[str, Band]
    effective: Mapping[str, Band]


@dataclass(frozen=True, slots=True)
class Pairs:
    database: Database
    policy: OperatorPolicy
    safety: SafetySettings

    async def open(self, mod: Moderator) -> list[Proposal]:
        access.require(mod, Rank.VIEWER)
        async with self.database.read() as session:
            return await proposals.open_ones(session, access.scope(mod), homeless=mod.house)

    async def propose_unban(
        self, mod: Moderator, discord_id: str, reason: str, *, everywhere: bool = False
    ) -> Proposal:
        """Of exactly this scope: a server's bans, or those of everywhere."""
        access.require(mod, Rank.MODERATOR)
        guild = access.scope(mod, everywhere=everywhere)
        async with self.database.begin() as session:
            account = await access.person(session, discord_id)
            await access.check_not_self(session, mod, account.id)
            held = await bans.current(session, account.id, guild)
            if not any(ban.guild_id == guild for ban in held):
                raise Refusal("not_banned", "This person is not banned here.", field="user")
            detail = {"account": str(account.id), "reason": reason[:500]}
            return await proposals.propose(
                session, proposals.UNBAN, guild_id=guild, detail=detail, actor=mod.actor
            )

    async def propose_policy(self, mod: Moderator, bands: Mapping[str, Band]) -> Proposal:
        """All of the server's thresholds from then on; what is not named is the operator's."""
        access.require(mod, Rank.ADMIN)
        guild = _guild(mod)
        self._check(bands)
        written = {name: policies.written(one.review, one.block) for name, one in bands.items()}
        async with self.database.begin() as session:
            return await proposals.propose(
                session,
                proposals.POLICY,
                guild_id=guild,
                detail={"bands": written},
                actor=mod.actor,
            )

    async def approve(self, mod: Moderator, number: int) -> Proposal:
        """By another than who proposed it, and never by whom it concerns."""
        async with self.database.begin() as session:
            found = await self._decidable(session, mod, number)
            if found.action == proposals.UNBAN:
                await access.check_not_self(session, mod, UUID(found.detail["account"]))
            decided = await proposals.decide(session, number, proposals.APPROVED, actor=mod.actor)
            await self._carry_out(session, mod, decided)
        return decided

    async def reject(self, mod: Moderator, number: int) -> Proposal:
        async with self.database.begin() as session:
            await self._decidable(session, mod, number)
            return await proposals.decide(session, number, proposals.REJECTED, actor=mod.actor)

    async def show_policy(self, mod: Moderator) -> PolicyView:
        access.require(mod, Rank.VIEWER)
        guild = _guild(mod)
        async with self.database.read() as session:
            number, limits = await policies.current(session, guild)
        own = {name: Band(*pair) for name, pair in limits.items()}
        return PolicyView(number, own, self.policy.effective(own, number=number).bands)

    async def _decidable(self, session: Session, mod: Moderator, number: int) -> Proposal:
        found = await proposals.load(session, number)
        if found is None or not access.sees(mod, found.guild_id):
            raise Refusal("unknown_proposal", "There is no such proposal here.", field="proposal")
        access.require(mod, _RANKS[found.action])
        return found

    async def _carry_out(self, session: Session, mod: Moderator, decided: Proposal) -> None:
        if decided.action == proposals.UNBAN:
            account_id = UUID(decided.detail["account"])
            await bans.lift(session, account_id, guild_id=decided.guild_id, actor=mod.actor)
            told = {"guild": decided.guild_id, "proposal": decided.id}
            await audit(session, mod.actor, "unban", f"account:{account_id}", told)
            return
        assert decided.guild_id is not None
        bands = decided.detail["bands"]
        self._check({name: Band(*pair) for name, pair in bands.items()})
        number = await policies.add(session, decided.guild_id, bands, proposal_id=decided.id)
        told = {"guild": decided.guild_id, "number": number}
        await audit(session, mod.actor, "policy_changed", f"guild:{decided.guild_id}", told)

    def _check(self, bands: Mapping[str, Band]) -> None:
        for category, band in bands.items():
            self.policy.check(category, band)


def _guild(mod: Moderator) -> str:
    if mod.guild_id is None:
        raise Refusal("no_server", "A server's thresholds are its own; ask there.")
    return mod.guild_id
