"""Every row in which somebody can be found: read for an export, emptied for a deletion.

What is append-only (ledger, verdicts, audit) holds no name and no prompt: there the account's number is
all that is left, and it leads nowhere.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Table, Uuid, and_, bindparam, delete, or_, select, text, update

from shared.connections import Session
from shared.doortables import (
    api_keys,
    hook_secrets,
    loras,
    tasks,
    webhook_deliveries,
    webhooks,
    wishes,
)
from shared.moderation.cases import EXPIRED, NOTED, OPEN
from shared.moderation.pseudonyms import ERASED, of_nobody
from shared.peopletables import bans, cases, fingerprints, inquiries, proposals, strikes
from shared.tables import (
    accounts,
    assets,
    balances,
    deliveries,
    jobs,
    ledger,
    plans_in_force,
    transitions,
    verdicts,
)
from shared.tradetables import drafts, entitlements, favourites, plan_grants, preferences

_UNDECIDED = (NOTED, OPEN)
OWN = (tasks, drafts, preferences, favourites)  # nobody else's, and nothing else needs them


async def read(session: Session, account_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """By the file's name, each row as plain values. Nobody else is named in it."""
    mine = select(jobs.c.id).where(jobs.c.account_id == account_id)
    found = {
        "account": await _rows(session, accounts, accounts.c.id == account_id),
        "plans": await _rows(session, plans_in_force, plans_in_force.c.account_id == account_id),
        "plan_grants": await _rows(session, plan_grants, plan_grants.c.account_id == account_id),
        "purchases": await _rows(session, entitlements, entitlements.c.account_id == account_id),
        "balance": await _rows(session, balances, balances.c.account_id == account_id),
        "jobs": await _rows(session, jobs, jobs.c.account_id == account_id),
        "history": await _rows(session, transitions, transitions.c.job_id.in_(mine)),
        "ledger": await _rows(session, ledger, ledger.c.account_id == account_id),
        "verdicts": await _rows(
            session, verdicts, or_(verdicts.c.account_id == account_id, verdicts.c.job_id.in_(mine))
        ),
        "pictures": await _rows(session, assets, assets.c.job_id.in_(mine)),
        "deliveries": await _rows(session, deliveries, deliveries.c.job_id.in_(mine)),
        "cases": await _rows(session, cases, cases.c.account_id == account_id),
        "reports": await _rows(session, cases, cases.c.reporter_id == account_id),
        "strikes": await _rows(session, strikes, strikes.c.account_id == account_id),
        "bans": await _rows(session, bans, bans.c.account_id == account_id),
        "inquiries": await _rows(session, inquiries, inquiries.c.account_id == account_id),
        "webhooks": await _rows(session, webhooks, webhooks.c.account_id == account_id),
        "api_keys": await _rows(session, api_keys, api_keys.c.account_id == account_id),
        "loras": await _rows(session, loras, loras.c.account_id == account_id),
        **{
            table.name: await _rows(session, table, table.c.account_id == account_id)
            for table in OWN
        },
    }
    return {name: [_bare(name, row) for row in rows] for name, rows in found.items()}


async def hold_jobs(session: Session, account_id: UUID) -> None:
    """Before anything else of a deletion but the account's own lock: a worker in the middle of an end
    comes through first, and whoever comes later waits with nothing of ours in hand. (An emptied job has
    another key, and who refers to a job holds its key.)"""
    mine = select(jobs.c.id).where(jobs.c.account_id == account_id)
    await session.execute(mine.order_by(jobs.c.id).with_for_update())


async def asked(session: Session, account_id: UUID) -> list[str]:
    """Keys of the files that this person asked about."""
    query = select(inquiries.c.key).where(inquiries.c.account_id == account_id)
    return list((await session.execute(query)).scalars())


async def brought(session: Session, account_id: UUID) -> list[str]:
    """Keys of the LoRAs that this person brought."""
    query = select(loras.c.key).where(loras.c.account_id == account_id)
    return list((await session.execute(query)).scalars())


async def erase(session: Session, account_id: UUID) -> None:
    """Everything but the bare books, after open jobs were ended and files withdrawn. The keys of what
    else lies in the store for this person."""
    await session.execute(text("set local pictor.erasing = 'on'"))
    mine = select(jobs.c.id).where(jobs.c.account_id == account_id)
    await _empty_jobs(session, account_id)
    await _change(session, assets, assets.c.job_id.in_(mine), sha256="")
    await _change(
        session,
        deliveries,
        deliveries.c.job_id.in_(mine),
        route=_NOWHERE,
        state="undeliverable",
        last_error=ERASED,
    )
    await session.execute(delete(fingerprints).where(fingerprints.c.job_id.in_(mine)))
    await _empty_cases(session, account_id)
    await _change(session, strikes, strikes.c.account_id == account_id, reason=ERASED)
    await _change(session, bans, bans.c.account_id == account_id, reason=ERASED)
    await _empty_proposals(session, account_id)
    for table in (inquiries, api_keys, *OWN):
        await session.execute(delete(table).where(table.c.account_id == account_id))
    await _forget_webhooks(session, account_id)
    await _forget_loras(session, account_id)
    await _change(session, entitlements, entitlements.c.account_id == account_id, user_id=None)
    await _change(
        session,
        accounts,
        accounts.c.id == account_id,
        discord_id=of_nobody(account_id),
        name=ERASED,
        default_speed=None,
    )


async def _empty_jobs(session: Session, account_id: UUID) -> None:
    """The recipe stays one that can be read; the words in it, and what it was drawn from, go."""
    await session.execute(_EMPTY_JOBS, {"of": account_id})


async def _empty_cases(session: Session, account_id: UUID) -> None:
    """A hard one keeps what was typed until its retention is over: the law may ask for it."""
    about = cases.c.account_id == account_id
    await _change(session, cases, about, words=None, submission=None, route=None, appeal=None)
    await _change(session, cases, and_(about, ~cases.c.hard), prompt=None, note=None)
    undecided = and_(about, ~cases.c.hard, cases.c.state.in_(_UNDECIDED))
    await _change(session, cases, undecided, state=EXPIRED)
    await _change(session, cases, cases.c.reporter_id == account_id, appeal=None)


async def _forget_loras(session: Session, account_id: UUID) -> None:
    """Their names are their owner's words. Workers drop a file that no row names."""
    mine = loras.c.account_id == account_id
    handles = select(loras.c.handle).where(mine)
    await session.execute(delete(wishes).where(wishes.c.name.in_(handles)))
    await session.execute(delete(loras).where(mine))


async def _empty_proposals(session: Session, account_id: UUID) -> None:
    about = proposals.c.detail["account"].astext == str(account_id)
    await _change(session, proposals, about, detail={"account": str(account_id)})
    await _change(session, proposals, and_(about, proposals.c.state == "open"), state="expired")


async def _forget_webhooks(session: Session, account_id: UUID) -> None:
    """What an address was not told yet, it is never told."""
    mine = select(webhooks.c.id).where(webhooks.c.account_id == account_id)
    told = webhook_deliveries.c.webhook_id.in_(mine)
    await session.execute(delete(webhook_deliveries).where(told))
    await session.execute(delete(webhooks).where(webhooks.c.account_id == account_id))
    await session.execute(delete(hook_secrets).where(hook_secrets.c.account_id == account_id))


async def _change(session: Session, table: Table, wanted: Any, **values: Any) -> None:
    await session.execute(update(table).where(wanted).values(**values))


async def _rows(session: Session, table: Table, wanted: Any) -> list[dict[str, Any]]:
    order: Sequence[Any] = list(table.primary_key.columns)
    rows = await session.execute(select(table).where(wanted).order_by(*order))
    return [dict(row._mapping) for row in rows]


def _bare(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Without who else had a hand in it, and without what could answer in our name."""
    others = (
        {"actor", "decided_by", "lifted_by", "worker", "note"} if name != "ledger" else {"note"}
    )
    if name == "api_keys":
        others |= {"digest"}
    if name == "bans":
        others |= {"mark"}
    if name == "plan_grants":
        others |= {"source_key"}
    if name == "cases":
        others |= {"reporter_id"} | ({"appeal"} if row["kind"] == "report" else set())
    if name == "reports":
        others |= {"account_id"}
    if name == "deliveries":
        row = row | {"route": {k: v for k, v in row["route"].items() if not k.startswith("token")}}
    return {key: value for key, value in row.items() if key not in others}


_NOWHERE = {"channel_id": "", "message_id": "", "user_id": ""}
_EMPTY_JOBS = text("""
update jobs set prompt = '', spec_sha256 = '', submission_key = 'erased:' || id,
    asked_sha256 = null, uploads = '{}', memo = '',
    spec = spec || '{"texts": [], "negative": "", "sources": [], "mask": null, "controls": [],
        "references": [], "region": ""}'::jsonb
where account_id = :of
""").bindparams(bindparam("of", type_=Uuid()))
