"""A strike is a row of the audit book, and it does not repeat what was said."""

from sqlalchemy import text

from shared.connections import Database
from shared.moderation.audit import audit
from shared.moderation.strikes import strike
from tests.shared.rows import Ruling, make_account, make_job


async def test_an_action_is_written_down(database: Database) -> None:
    async with database.begin() as session:
        await audit(session, "mod:1", "suspend", "account:2", {"why": "spam"})
        await audit(session, "mod:1", "lift", "account:2")
        rows = await session.execute(
            text("select actor, action, subject, detail from audit order by id")
        )
    assert [tuple(row) for row in rows] == [
        ("mod:1", "suspend", "account:2", {"why": "spam"}),
        ("mod:1", "lift", "account:2", {}),
    ]


async def test_a_strike_says_why_and_against_whom(database: Database) -> None:
    verdict = Ruling(decision="block", category="gore", score=0.9, rule="blocklist:12")
    async with database.begin() as session:
        account = await make_account(session)
        job = await make_job(session, account)
        await strike(session, account.id, job.id, verdict)
        await strike(session, account.id, None, verdict)
        rows = list(
            await session.execute(
                text("select actor, action, subject, detail from audit order by id")
            )
        )
    assert [tuple(row)[:3] for row in rows] == [("filter", "strike", f"account:{account.id}")] * 2
    assert [row.detail["job"] for row in rows] == [str(job.id), None]
    assert rows[0].detail["category"] == "gore"
    assert rows[0].detail["rule"] == "blocklist:12"
