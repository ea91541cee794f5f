"""What stands before the screen: a person's standing, pauses, and the rules of the server they are on.

One round trip, since every submission takes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from shared.access import Question
from shared.connections import Session
from shared.guilds import GuildSettings, read_settings
from shared.moderation.scopes import EVERYWHERE, SAFETY, of_guild
from shared.orders import Person, Venue
from shared.plans import Plan
from shared.preferencerows import preferences_from
from shared.preferences import Preferences
from shared.safety.blocklist import Term
from shared.safety.policy import Band, OperatorPolicy, Policy

UNSET = Preferences()


@dataclass(frozen=True, slots=True)
class HouseRules:
    """`number` and `bands` are the server's own policy; `terms` its moderators' words; `settings` what its
    admins set. `plans` are the one in force and those they were given; `chosen` what they set for their
    prompts; `asked_before`: their key was used already."""

    standing: str | None
    banned_here: bool
    paused: tuple[str, str] | None
    number: int
    bands: Mapping[str, Band]
    terms: tuple[Term, ...]
    settings: GuildSettings
    plans: tuple[str, ...] = ()
    chosen: Preferences = UNSET
    asked_before: bool = False

    def question(self, person: Person, venue: Venue, plan: Plan) -> Question:
        """What is known before anything is asked for: who, where, and what stands against both."""
        return Question(
            plan=plan,
            settings=self.settings,
            roles=person.roles,
            standing=self.standing or "good",
            banned_here=self.banned_here,
            pause=self.paused,
            channel_id=venue.channel_id,
            parent_id=venue.parent_id,
            age_restricted=venue.age_restricted,
        )

    def policy(self, operator: OperatorPolicy, venue: Venue) -> Policy:
        wider = self.settings.mature(age_restricted=venue.age_restricted)
        return operator.effective(self.bands, number=self.number, age_restricted=wider)


async def read(session: Session, person: Person, venue: Venue, *, key: str = "") -> HouseRules:
    guild = venue.guild_id or ""
    scopes = [SAFETY, EVERYWHERE, of_guild(guild)]
    told = {"of": person.discord_id, "guild": guild, "scopes": scopes, "key": key}
    row = (await session.execute(_READ, told)).one()
    return HouseRules(
        row.standing,
        row.banned,
        _first(row.pauses or (), scopes),
        row.number or 0,
        {name: Band(*limits) for name, limits in (row.bands or {}).items()},
        tuple(Term(*given) for given in row.terms or ()),
        read_settings(row.chosen or {}),
        tuple(row.plans),
        preferences_from(row.preferred),
        row.asked_before,
    )


def _first(found: Sequence[Sequence[str]], scopes: Sequence[str]) -> tuple[str, str] | None:
    """(scope, reason) of the widest pause."""
    reasons: dict[str, str] = dict(found)  # type: ignore[arg-type]
    return next(((scope, reasons[scope]) for scope in scopes if scope in reasons), None)


_READ: Any = text(
    """
    select
        who.standing,
        array(select plan from plans_in_force where account_id = who.id and until is null
            union select plan from plan_grants where account_id = who.id
                and since <= clock_timestamp() and (until is null or until > clock_timestamp())
        ) as plans,
        (select chosen from preferences where account_id = who.id) as preferred,
        exists (select from jobs where submission_key = :key) as asked_before,
        exists (select from bans
            where account_id = who.id and lifted_at is null and guild_id = :guild
            and (until is null or until > clock_timestamp())) as banned,
        (select jsonb_agg(jsonb_build_array(scope, reason)) from pauses
            where scope = any(:scopes)) as pauses,
        (select chosen from guild_settings where guild_id = :guild) as chosen,
        own.number, own.bands,
        (select jsonb_agg(jsonb_build_array(term, category, strength)) from blocked_terms
            where removed_at is null and (guild_id is null or guild_id = :guild)) as terms
    from (select 1) as one
    left join accounts who on who.discord_id = :of
    left join lateral (
        select number, bands from guild_policies where guild_id = :guild order by number desc limit 1
    ) as own on true
    """
)
