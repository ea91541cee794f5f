"""What stands before the screen: a person's standing, pauses, and the rules of the server they are on.

One round trip, since every submission takes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from shared.connections import Session
from shared.guilds import GuildSettings, read_settings
from shared.limits import check_pause, check_standing, check_welcome
from shared.moderation.scopes import EVERYWHERE, SAFETY, of_guild
from shared.orders import Person, Venue
from shared.safety.blocklist import Term
from shared.safety.policy import Band, OperatorPolicy, Policy


@dataclass(frozen=True, slots=True)
class HouseRules:
    """`number` and `bands` are the server's own policy; `terms` its moderators' words; `settings` what its
    admins set."""

    standing: str | None
    banned_here: bool
    paused: tuple[str, str] | None
    number: int
    bands: Mapping[str, Band]
    terms: tuple[Term, ...]
    settings: GuildSettings

    def check(self) -> None:
        """Refusal when nothing may be asked for here now."""
        if self.standing is not None:
            check_standing(self.standing)
        check_welcome(self.banned_here)
        if self.paused is not None:
            check_pause(*self.paused)

    def policy(self, operator: OperatorPolicy, venue: Venue) -> Policy:
        wider = self.settings.mature(age_restricted=venue.age_restricted)
        return operator.effective(self.bands, number=self.number, age_restricted=wider)


async def read(session: Session, person: Person, venue: Venue) -> HouseRules:
    guild = venue.guild_id or ""
    scopes = [SAFETY, EVERYWHERE, of_guild(guild)]
    told = {"of": person.discord_id, "guild": guild, "scopes": scopes}
    row = (await session.execute(_READ, told)).one()
    return HouseRules(
        row.standing,
        row.banned,
        _first(row.pauses or (), scopes),
        row.number or 0,
        {name: Band(*limits) for name, limits in (row.bands or {}).items()},
        tuple(Term(*given) for given in row.terms or ()),
        read_settings(row.chosen or {}),
    )


def _first(found: Sequence[Sequence[str]], scopes: Sequence[str]) -> tuple[str, str] | None:
    """(scope, reason) of the widest pause."""
    reasons: dict[str, str] = dict(found)  # type: ignore[arg-type]
    return next(((scope, reasons[scope]) for scope in scopes if scope in reasons), None)


_READ: Any = text(
    """
    select
        (select standing from accounts where discord_id = :of) as standing,
        exists (select from bans join accounts on accounts.id = bans.account_id
            where discord_id = :of and lifted_at is null and guild_id = :guild
            and (until is null or until > clock_timestamp())) as banned,
        (select jsonb_agg(jsonb_build_array(scope, reason)) from pauses
            where scope = any(:scopes)) as pauses,
        (select chosen from guild_settings where guild_id = :guild) as chosen,
        own.number, own.bands,
        (select jsonb_agg(jsonb_build_array(term, category, strength)) from blocked_terms
            where removed_at is null and (guild_id is null or guild_id = :guild)) as terms
    from (select 1) as one left join lateral (
        select number, bands from guild_policies where guild_id = :guild order by number desc limit 1
    ) as own on true
    """
)
