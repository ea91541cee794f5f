"""A server's own settings: where is drawn, with which checkpoints, how fast, how much, how it is shown. Pure.

A server's settings only ever narrow what the operator's plans give. `who` is everyone, role:<id> or
plan:<name>; where several of somebody's roles are named, the most generous holds.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

import msgspec

from shared.errors import Fault, Refusal
from shared.plans import PlanBook, Speed

EVERYONE = "everyone"
MOST_LISTED = 100  # channels, checkpoints or roles that one setting names
MOST_COUNT = 1_000  # of what one row of limits allows
SLOWEST_FIRST = (Speed.RELAX, Speed.FAST, Speed.TURBO)
_WHO = re.compile(r"everyone|role:\d{1,20}|plan:[\w-]{1,40}")
_CHANNEL = re.compile(r"\d{1,20}")


class Mature(StrEnum):
    """What the mark of an age-restricted channel does."""

    CHANNEL = "channel"  # there, and nowhere else, the operator's wider threshold holds
    NEVER = "never"  # the mark changes nothing


@dataclass(frozen=True, slots=True)
class Limits:
    """None: nothing of its own. `waiting` jobs in line, `jobs` at once (repeats times permutations),
    `steps` a picture."""

    speed: Speed | None = None
    waiting: int | None = None
    jobs: int | None = None
    steps: int | None = None


COUNTS = ("waiting", "jobs", "steps")


@dataclass(frozen=True, slots=True)
class GuildSettings:
    """`channels` empty: all of them. `models` says who may use a checkpoint or an adapter; one that is
    not in it is everybody's, one with an empty list nobody's. `limits` by `who`, but no plan."""

    channels: tuple[str, ...] = ()
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Mapping[str, Limits] = field(default_factory=dict)
    default_model: str = ""
    nsfw: Mature = Mature.CHANNEL
    stealth: bool = True
    spoilers: bool = False
    spoiler_channels: tuple[str, ...] = ()

    def hides(self, *channels: str | None) -> bool:
        """Whether pictures in this channel (or its thread) are shown behind a spoiler."""
        return self.spoilers or any(one in self.spoiler_channels for one in channels)

    def mature(self, *, age_restricted: bool) -> bool:
        """Whether the wider threshold of age-restricted channels holds."""
        return age_restricted and self.nsfw is Mature.CHANNEL

    def limits_of(self, roles: Collection[str]) -> Limits:
        """The most generous of the roles' own, and everybody's where no role says anything."""
        own = [self.limits[f"role:{role}"] for role in roles if f"role:{role}" in self.limits]
        common = self.limits.get(EVERYONE, Limits())
        speeds = [one.speed for one in own if one.speed is not None]
        counts: dict[str, Any] = {
            name: _largest([getattr(one, name) for one in own], getattr(common, name))
            for name in COUNTS
        }
        return Limits(max(speeds, key=SLOWEST_FIRST.index, default=common.speed), **counts)

    def told(self) -> dict[str, Any]:
        """Only what was set, as JSON holds it."""
        unset = GuildSettings()
        changed = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if getattr(self, one.name) != getattr(unset, one.name)
        }
        plain: dict[str, Any] = msgspec.to_builtins(changed)
        return plain


def read_settings(told: Mapping[str, Any]) -> GuildSettings:
    """Fault for what no version of ours wrote: a rule that cannot be read must not be one that is gone."""
    try:
        return msgspec.convert(told, GuildSettings)
    except msgspec.ValidationError as error:
        sentence = f"This server's settings cannot be read: {error}."
        raise Fault("settings_unreadable", sentence) from error


def with_channel(settings: GuildSettings, channel_id: str, *, allowed: bool) -> GuildSettings:
    """Taking the last one away opens all of them again."""
    return replace(settings, channels=_listed(settings.channels, channel_id, wanted=allowed))


def with_spoilers(settings: GuildSettings, channel_id: str, *, wanted: bool) -> GuildSettings:
    listed = _listed(settings.spoiler_channels, channel_id, wanted=wanted)
    return replace(settings, spoiler_channels=listed)


def with_model(
    settings: GuildSettings, model: str, who: Iterable[str], *, known: Collection[str]
) -> GuildSettings:
    """This checkpoint or adapter is for them alone. EVERYONE among them: for all; nobody: for none."""
    if model not in known:
        raise _unknown_model(model, known)
    allowed = tuple(dict.fromkeys(who))
    _check_who(allowed)
    rest = {name: names for name, names in settings.models.items() if name != model}
    return replace(settings, models=rest if EVERYONE in allowed else rest | {model: allowed})


def with_default_model(
    settings: GuildSettings, model: str, *, known: Collection[str]
) -> GuildSettings:
    """Empty: the operator's."""
    if model and model not in known:
        raise _unknown_model(model, known)
    return replace(settings, default_model=model)


def with_limits(settings: GuildSettings, who: str, limits: Limits) -> GuildSettings:
    """Limits that say nothing take the row away."""
    _check_who((who,))
    if who.startswith("plan:"):
        sentence = "A plan's limits are the operator's. Give a role's, or everyone's."
        raise Refusal("invalid_value", sentence, field="who")
    for name in COUNTS:
        _check_count(name, getattr(limits, name))
    rest = {one: kept for one, kept in settings.limits.items() if one != who}
    _check_room(rest)
    return replace(settings, limits=rest if limits == Limits() else rest | {who: limits})


def check_plans(who: Iterable[str], book: PlanBook) -> None:
    for one in who:
        kind, _, name = one.partition(":")
        if kind == "plan" and name not in book.plans:
            sentence = f"There is no plan “{name}”. There are: {', '.join(book.plans)}."
            raise Refusal("unknown_plan", sentence, field="plan")


def _largest(own: Iterable[int | None], common: int | None) -> int | None:
    return max((one for one in own if one is not None), default=common)


def _listed(listed: tuple[str, ...], channel_id: str, *, wanted: bool) -> tuple[str, ...]:
    if not _CHANNEL.fullmatch(channel_id):
        raise Refusal("invalid_value", "That is no channel of a server.", field="channel")
    if wanted == (channel_id in listed):
        return listed
    if not wanted:
        return tuple(one for one in listed if one != channel_id)
    _check_room(listed)
    return (*listed, channel_id)


def _check_room(listed: Collection[Any]) -> None:
    if len(listed) >= MOST_LISTED:
        sentence = f"A setting names up to {MOST_LISTED}; take another one away first."
        raise Refusal("too_many_listed", sentence)


def _check_who(who: Collection[str]) -> None:
    _check_room(who)
    for one in who:
        if not _WHO.fullmatch(one):
            sentence = "It is for everyone, for role:<id> or for plan:<name>."
            raise Refusal("invalid_value", sentence, field="who")


def _check_count(name: str, count: int | None) -> None:
    if count is not None and not 1 <= count <= MOST_COUNT:
        sentence = f"`{name}` is a whole number from 1 to {MOST_COUNT}."
        raise Refusal("invalid_value", sentence, field=name)


def _unknown_model(model: str, known: Collection[str]) -> Refusal:
    sentence = f"There is no model “{model[:40]}” here. There are: {', '.join(sorted(known)[:20])}."
    return Refusal("unknown_model", sentence, field="model")
