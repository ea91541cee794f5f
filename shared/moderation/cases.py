"""Cases: what a person may have to look at. A refused prompt, a withheld, reported or sampled picture.

`noted` waits for nobody; an appeal, a report, a sample and whatever is hard wait for a moderator. Each
decision is one conditional UPDATE: None back means that somebody else was first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.connections import Session
from shared.errors import Refusal
from shared.moderation.audit import FILTER, audit
from shared.peopletables import cases
from shared.ruling import Ruling
from shared.telemetry import APPEALS, CASES

PROMPT, PICTURE, REPORT, SAMPLE = "prompt", "picture", "report", "sample"
NOTED, OPEN, UPHELD, LIFTED, EXPIRED = "noted", "open", "upheld", "lifted", "expired"
# What no moderator may lift: minors, and pictures that an operator's list knows.
HARD_CATEGORIES = frozenset({"minor", "known"})
LONGEST_TEXT = 1000
# What somebody wrote, and where; the rest of a case names nobody's words.
TYPED = ("prompt", "words", "submission", "route", "appeal", "note")


class Reason(StrEnum):
    """Why somebody reports a picture."""

    SEXUAL = "sexual"
    MINOR = "minor"
    GORE = "gore"
    HATE = "hate"
    SELF_HARM = "self_harm"
    ILLEGAL = "illegal"
    PUBLIC_FIGURE = "public_figure"
    OTHER = "other"


class Pictured(Protocol):
    """A job, as far as a report is concerned."""

    @property
    def id(self) -> UUID: ...
    @property
    def account_id(self) -> UUID: ...
    @property
    def guild_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Case:
    """`prompt`, `words`, `submission`, `route` and `appeal` are gone when their retention is over."""

    id: UUID
    kind: str
    state: str
    account_id: UUID
    reporter_id: UUID | None
    guild_id: str | None
    job_id: UUID | None
    picture: int | None
    verdict_id: int | None
    category: str
    rule: str
    score: float
    hard: bool
    prompt: str | None
    words: str | None
    submission: Mapping[str, Any] | None
    route: Mapping[str, Any] | None
    appeal: str | None
    lifted_job_id: UUID | None
    at: datetime
    opened_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None
    note: str | None

    @property
    def veiled(self) -> bool:
        """Its picture is shown to nobody, moderators included."""
        return self.hard or self.category in HARD_CATEGORIES


async def note(
    session: Session,
    *,
    kind: str,
    account_id: UUID,
    guild_id: str | None,
    verdict: Ruling,
    verdict_id: int | None = None,
    job_id: UUID | None = None,
    picture: int | None = None,
    prompt: str | None = None,
    submission: Mapping[str, Any] | None = None,
    route: Mapping[str, Any] | None = None,
    state: str = NOTED,
) -> UUID:
    """What a filter has stopped. A hard one is open from the start: people must know of it."""
    hard = verdict.category in HARD_CATEGORIES
    values = {
        "kind": kind,
        "state": OPEN if hard else state,
        "account_id": account_id,
        "guild_id": guild_id,
        "job_id": job_id,
        "picture": picture,
        "verdict_id": verdict_id,
        "category": str(verdict.category),
        "rule": verdict.rule,
        "score": verdict.score,
        "hard": hard,
        "prompt": prompt,
        "words": getattr(verdict, "words", "") or None,
        "submission": submission,
        "route": route,
    }
    made = await _insert(session, values)
    assert made is not None  # only a report can be there already
    return made


async def sample(
    session: Session, *, job: Pictured, verdict: Ruling, prompt: str | None = None
) -> UUID:
    """A job of the grey zone that was delivered: somebody looks whether that was right."""
    return await note(
        session,
        kind=SAMPLE,
        account_id=job.account_id,
        guild_id=job.guild_id,
        verdict=verdict,
        job_id=job.id,
        prompt=prompt,
        state=OPEN,
    )


async def report(
    session: Session,
    reporter_id: UUID,
    job: Pictured,
    *,
    picture: int | None,
    reason: str,
    text: str = "",
) -> UUID:
    """Refusal `reported_before` when this person has reported this picture."""
    made = await _insert(
        session,
        {
            "kind": REPORT,
            "state": OPEN,
            "account_id": job.account_id,
            "reporter_id": reporter_id,
            "guild_id": job.guild_id,
            "job_id": job.id,
            "picture": picture,
            "category": reason,
            "rule": "report",
            "hard": False,  # what a reporter says is not what a filter found
            "appeal": text[:LONGEST_TEXT] or None,
        },
    )
    if made is None:
        raise Refusal("reported_before", "You have reported this picture; a moderator will look.")
    return made


async def appeal(session: Session, case_id: UUID, account_id: UUID, text: str = "") -> Case:
    """Only by whom the case is about, once, and never against what no moderator may lift."""
    mine = and_(cases.c.id == case_id, cases.c.account_id == account_id)
    wanted = and_(mine, cases.c.kind.in_((PROMPT, PICTURE)), cases.c.state == NOTED, ~cases.c.hard)
    values = {"state": OPEN, "opened_at": func.clock_timestamp(), "appeal": text[:LONGEST_TEXT]}
    moved = await _move(session, wanted, values)
    if moved is None:
        raise _not_appealable(await load(session, case_id), account_id)
    APPEALS.inc()
    await _tell_opened(session, moved.id, moved.guild_id, f"account:{account_id}", _told(moved))
    return moved


async def decide(
    session: Session, case_id: UUID, state: str, *, actor: str, note: str = ""
) -> Case | None:
    """noted or open -> upheld or lifted. None: decided before (or gone)."""
    wanted = and_(cases.c.id == case_id, cases.c.state.in_((NOTED, OPEN)))
    values = {
        "state": state,
        "decided_at": func.clock_timestamp(),
        "decided_by": actor,
        "note": note[:LONGEST_TEXT] or None,
    }
    moved = await _move(session, wanted, values)
    if moved is not None:
        detail = _told(moved) | {"note": moved.note}
        await audit(session, actor, f"case_{state}", f"case:{case_id}", detail)
    return moved


async def resubmitted(session: Session, case_id: UUID, job_id: UUID) -> None:
    statement = update(cases).where(cases.c.id == case_id).values(lifted_job_id=job_id)
    await session.execute(statement)


async def load(session: Session, case_id: UUID) -> Case | None:
    row = (await session.execute(select(*ROW).where(cases.c.id == case_id))).one_or_none()
    return None if row is None else Case(*row)


async def erase_old(session: Session, *, kept: timedelta) -> int:
    """What was typed goes; with it, what nobody has decided and nobody can decide any more. A report or
    a sample still has its picture, and a hard one waits until somebody has looked."""
    old = and_(cases.c.at < func.clock_timestamp() - kept, _told_something())
    ends = and_(
        cases.c.kind.in_((PROMPT, PICTURE)), cases.c.state.in_((NOTED, OPEN)), ~cases.c.hard
    )
    values = dict.fromkeys(TYPED) | {"state": case((ends, EXPIRED), else_=cases.c.state)}
    statement = update(cases).where(old).values(values).returning(cases.c.id)
    return len((await session.execute(statement)).all())


# --- rows ------------------------------------------------------------------------------------


async def _insert(session: Session, values: dict[str, Any]) -> UUID | None:
    opened = values["state"] == OPEN
    row = values | ({"opened_at": func.clock_timestamp()} if opened else {})
    statement = insert(cases).values(row).on_conflict_do_nothing().returning(cases.c.id)
    made: UUID | None = (await session.execute(statement)).scalar_one_or_none()
    if made is None:
        return None
    CASES.labels(values["kind"], values["category"]).inc()
    if opened:
        told = {name: values[name] for name in ("kind", "category", "rule", "hard")}
        by = values.get("reporter_id")
        actor = FILTER if by is None else f"account:{by}"
        await _tell_opened(session, made, values["guild_id"], actor, told)
    return made


async def _tell_opened(
    session: Session, case_id: UUID, guild_id: str | None, actor: str, told: dict[str, Any]
) -> None:
    action = "hard_case" if told["hard"] else "case_opened"
    await audit(session, actor, action, f"case:{case_id}", told | {"guild": guild_id})


def _told(one: Case) -> dict[str, Any]:
    """For the audit book: never what was typed."""
    names = ("kind", "category", "rule", "hard")
    return {name: getattr(one, name) for name in names} | {"guild": one.guild_id}


async def _move(
    session: Session, wanted: ColumnElement[bool], values: dict[str, Any]
) -> Case | None:
    statement = update(cases).where(wanted).values(values).returning(*ROW)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else Case(*row)


def _not_appealable(found: Case | None, account_id: UUID) -> Refusal:
    if found is None or found.account_id != account_id:
        return Refusal("unknown_case", "There is no such case of yours.")
    if found.hard:
        sentence = "No moderator can lift this rule, so there is nothing to appeal."
        return Refusal("never_lifted", sentence)
    if found.state == OPEN:
        return Refusal("appealed_before", "You have appealed; a moderator will look at it.")
    return Refusal("already_decided", "This case is closed; there is nothing left to appeal.")


def _told_something() -> ColumnElement[bool]:
    return or_(*(cases.c[name].is_not(None) for name in TYPED), cases.c.state == NOTED)


ROW: Sequence[Any] = [cases.c[field.name] for field in fields(Case)]
