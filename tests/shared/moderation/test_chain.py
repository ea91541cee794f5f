"""Whoever changes, adds or takes away a row of the audit book, as a superuser even, is found."""

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import text

from farm.auditcommands import Format, moment, write
from shared.connections import Database
from shared.errors import Refusal
from shared.moderation import chain
from shared.moderation.audit import audit

# What only a superuser can do, with triggers switched off.
TAMPER = "set local session_replication_role = replica"


@pytest.fixture
async def book(database: Database) -> Database:
    for number in range(6):
        async with database.begin() as session:
            await audit(session, "discord:1", "warn", f"account:{number}", {"why": f"=1+{number}"})
            await audit(session, "filter", "strike", f"account:{number}")
    return database


async def found(book: Database, *tampering: str, **options: Any) -> chain.Finding:
    """What is found after this; and it is undone again."""
    async with book.begin() as session:
        change = await session.begin_nested()
        await session.execute(text(TAMPER))
        for statement in tampering:
            assert (await session.execute(text(statement))).rowcount != 0
        seen = await chain.verify(session, **options)
        await change.rollback()
    return seen


async def test_every_kind_of_tampering_is_found_and_named(
    book: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "PAGE", 5)  # links go on from page to page
    whole = await found(book)
    assert (whole.rows, whole.broken) == (12, None)
    changes = {
        "actor": "update audit set actor = 'discord:2' where id = 4",
        "detail": """update audit set detail = '{"why": "other"}' where id = 4""",
        "moment": "update audit set at = at - interval '1 microsecond' where id = 4",
        "row gone": "delete from audit where id = 4",
        "link changed": "update audit_chain set hash = repeat('0', 64) where audit_id = 4",
        "swapped": """update audit a set subject = b.subject, actor = b.actor from audit b
            where a.id = 4 and b.id = 7""",
    }
    assert {
        name: (await found(book, how)).broken for name, how in changes.items()
    } == dict.fromkeys(changes, 4)
    row_and_link = ("delete from audit_chain where audit_id = 4", "delete from audit where id = 4")
    assert (await found(book, *row_and_link)).broken == 5
    assert (await found(book, "delete from audit_chain where audit_id = 4")).broken == 5
    put_in = "insert into audit (actor, action, subject) values ('discord:9', 'unban', 'account:1')"
    assert "no link" in (await found(book, put_in)).why
    assert (await found(book)).broken is None


async def test_a_cut_end_is_found_by_the_head_that_was_noted(book: Database) -> None:
    head = (await found(book)).head
    async with book.begin() as session:
        await audit(session, "discord:1", "warn", "account:9")
    assert (await found(book, expected=head)).broken is None
    cut = ("delete from audit_chain where audit_id > 8", "delete from audit where id > 8")
    assert (await found(book, *cut)).broken is None  # the links alone cannot tell
    assert (await found(book, *cut, expected=head)).broken == 0


async def test_an_export_is_whole_and_no_cell_is_a_formula(book: Database) -> None:
    table, lines, some = io.StringIO(), io.StringIO(), io.StringIO()
    async with book.read() as session:
        await write(chain.entries(session), table, Format.CSV)
        await write(chain.entries(session), lines, Format.JSONL)
        middle = (await session.execute(text("select at from audit where id = 5"))).scalar_one()
        await write(chain.entries(session, since=middle), some, Format.JSONL)
        await write(chain.entries(session, until=middle), some, Format.JSONL)
    rows = list(csv.DictReader(io.StringIO(table.getvalue())))
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [int(row["id"]) for row in rows] == [one["id"] for one in told] == list(range(1, 13))
    assert told[2]["detail"] == {"why": "=1+1"}
    assert {len(one["link"]) for one in told} == {64}
    again = [json.loads(line)["id"] for line in some.getvalue().splitlines()]
    assert again == [*range(5, 13), *range(1, 5)]


def test_a_moment_is_utc_unless_it_says_otherwise() -> None:
    assert str(moment("2026-01-31", "--from")) == "2026-01-31 00:00:00+00:00"
    assert moment(None, "--from") is None
    with pytest.raises(Refusal, match="no moment"):
        moment("yesterday", "--from")
