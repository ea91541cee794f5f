"""What the rows refuse, whatever the code above them does: each promise is broken here with raw SQL."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared import jobstore, ledger
from shared.accounts import Account
from shared.connections import Database, Session
from shared.jobs import Job, JobState, may_move
from tests.shared.rows import Ruling, bring_to, end, make_account, make_job


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as session:
        yield session


@pytest.fixture
async def account(session: Session) -> Account:
    return await make_account(session)


@pytest.fixture
async def job(session: Session, account: Account) -> Job:
    return await make_job(session, account)


async def refused(session: Session, saying: str, statement: str, **values: Any) -> None:
    """Postgres says no to this statement, and for this reason."""
    with pytest.raises(DBAPIError, match=saying):
        async with session.begin_nested():
            await session.execute(text(statement), values)


async def accepted(session: Session, statement: str, **values: Any) -> None:
    """The same statement without its fault goes through: the no above was about the fault."""
    await session.execute(text(statement), values)


# --- transitions -----------------------------------------------------------------------------

MOVE = """
update jobs set state = :target,
    attempt = attempt + (state = 'waiting' and :target = 'dispatched')::int,
    worker = case when :target = 'waiting' then null else 'w1' end,
    lease_until = case when :target = 'waiting' then null else clock_timestamp() end,
    finished_at = case when :ends then clock_timestamp() end,
    charged_ms = case when :ends then 0 end,
    error_sentence = 'why',
    passed_verdict = case when :target = 'succeeded' then cast(:verdict as bigint) end
where id = :id
"""


async def test_postgres_and_the_code_agree_on_every_pair_of_states(
    session: Session, account: Account
) -> None:
    for source, target in product(JobState, JobState):
        if source is target:
            continue
        job = await bring_to(session, await make_job(session, account), source)
        verdict = await jobstore.add_verdict(session, job.id, "job", Ruling())
        values = {"id": job.id, "target": target.value, "ends": target.terminal, "verdict": verdict}
        try:
            async with session.begin_nested():
                await session.execute(text(MOVE), values)
            moved = True
        except IntegrityError as error:
            assert "may not move" in str(error) or "final" in str(error)  # noqa: PT017
            moved = False
        assert moved is may_move(source, target), f"{source} -> {target}"


async def test_the_table_in_postgres_has_no_other_state(session: Session) -> None:
    query = """select count(*) from unnest(cast(:states as text[])) a,
        unnest(cast(:states as text[])) b where may_move(a, b)"""
    found = await session.scalar(text(query), {"states": list(JobState)})
    assert found == sum(may_move(a, b) for a, b in product(JobState, JobState))


@pytest.mark.parametrize("state", [state for state in JobState if state.terminal])
@pytest.mark.parametrize(
    "change",
    [
        "state = 'waiting', finished_at = null, charged_ms = null, worker = null, lease_until = null",
        "charged_ms = charged_ms + 1",
        "gpu_ms = 1234",
        "error_sentence = 'another'",
        "finished_at = clock_timestamp()",
        "prompt = 'another'",
    ],
)
async def test_an_ended_job_is_final(
    session: Session, job: Job, state: JobState, change: str
) -> None:
    await bring_to(session, job, state)
    await refused(session, "final", f"update jobs set {change} where id = :id", id=job.id)


@pytest.mark.parametrize(
    "change",
    [
        "estimate_ms = 1",
        "speed = 'turbo'",
        "plan = 'pro'",
        "prompt = 'another'",
        "spec = '{}'",
        "spec_sha256 = ''",
        "submission_key = 'another'",
        "submitted_at = clock_timestamp()",
        "parent_index = 3",
    ],
)
async def test_what_was_accepted_stays_as_it_was(session: Session, job: Job, change: str) -> None:
    await refused(
        session, "accepted as it was", f"update jobs set {change} where id = :id", id=job.id
    )


@pytest.mark.parametrize(
    "change", ["attempt = attempt + 1", "attempt = attempt - 1", "crashes = -1"]
)
async def test_attempts_are_counted_by_dispatching_alone(
    session: Session, job: Job, change: str
) -> None:
    await bring_to(session, job, JobState.RUNNING)
    await refused(session, "miscounts", f"update jobs set {change} where id = :id", id=job.id)


async def test_a_dispatch_takes_exactly_one_attempt(session: Session, job: Job) -> None:
    send = """update jobs set state = 'dispatched', worker = 'w', lease_until = clock_timestamp(),
        attempt = attempt + :more where id = :id"""
    await refused(session, "miscounts", send, id=job.id, more=0)
    await refused(session, "miscounts", send, id=job.id, more=2)
    await accepted(session, send, id=job.id, more=1)


INSERT_JOB = """
insert into jobs (account_id, plan, kind, state, speed, prompt, spec, spec_sha256, submission_key,
    estimate_ms, attempt, worker, lease_until, parent_id, parent_index)
values (:account, 'free', :kind, :state, :speed, 'x', '{}', '', :key, :estimate, :attempt,
    :worker, case when cast(:worker as text) is not null then clock_timestamp() end, :parent, :index)
"""
GOOD_JOB: dict[str, Any] = {
    "kind": "imagine",
    "state": "waiting",
    "speed": "fast",
    "key": "a new key",
    "estimate": 1,
    "attempt": 0,
    "worker": None,
    "parent": None,
    "index": None,
}


@pytest.mark.parametrize(
    ("fault", "saying"),
    [
        ({"state": "running", "worker": "w"}, "begins waiting"),
        ({"state": "succeeded"}, "begins waiting"),
        ({"attempt": 1}, "begins waiting"),
        ({"kind": "dream"}, "ck_jobs_kind"),
        ({"speed": "warp"}, "ck_jobs_speed"),
        ({"estimate": -1}, "ck_jobs_estimate_not_negative"),
        ({"worker": "w"}, "ck_jobs_not_leased"),
        ({"kind": "vary"}, "ck_jobs_lineage"),
        ({"kind": "upscale", "index": 1}, "ck_jobs_lineage"),
        ({"parent": "00000000-0000-0000-0000-000000000001"}, "fk_jobs_parent_id"),
    ],
)
async def test_no_job_begins_wrong(
    session: Session, account: Account, fault: dict[str, Any], saying: str
) -> None:
    good = GOOD_JOB | {"account": account.id}
    await refused(session, saying, INSERT_JOB, **(good | fault))
    await accepted(session, INSERT_JOB, **good)


async def test_a_submission_key_is_unique(session: Session, account: Account, job: Job) -> None:
    values = GOOD_JOB | {"account": account.id, "key": job.submission_key}
    await refused(session, "uq_jobs_submission_key", INSERT_JOB, **values)


@pytest.mark.parametrize(
    ("change", "saying"),
    [
        ("lease_until = null", "ck_jobs_leased"),
        ("worker = null", "ck_jobs_leased"),
        ("crashes = 2", "ck_jobs_attempts_counted"),
        ("finished_at = clock_timestamp(), charged_ms = 0", "ck_jobs_finished_at"),
        ("charged_ms = 0", "ck_jobs_charged_at_the_end"),
        ("gpu_ms = -1", "ck_jobs_measured_not_negative"),
        ("state = 'failed', error_sentence = 'x'", "ck_jobs_finished_at"),
        (
            "state = 'failed', error_sentence = 'x', finished_at = clock_timestamp()",
            "ck_jobs_charged_at_the_end",
        ),
        ("state = 'failed', finished_at = clock_timestamp(), charged_ms = 0", "failure_explained"),
        ("state = 'blocked', finished_at = clock_timestamp(), charged_ms = 0", "failure_explained"),
        (
            "state = 'cancelled', finished_at = clock_timestamp(), charged_ms = 5",
            "only_success_costs",
        ),
        ("state = 'lost'", "may not move"),
    ],
)
async def test_no_running_job_goes_wrong(
    session: Session, job: Job, change: str, saying: str
) -> None:
    await bring_to(session, job, JobState.RUNNING)
    await refused(session, saying, f"update jobs set {change} where id = :id", id=job.id)


# --- verdicts --------------------------------------------------------------------------------

SUCCEED = """
update jobs set state = 'succeeded', finished_at = clock_timestamp(), charged_ms = 1, gpu_ms = 1,
    passed_verdict = :verdict where id = :id
"""


async def test_no_success_without_an_allow_verdict_on_its_own_pixels(
    session: Session, account: Account, job: Job
) -> None:
    other = await make_job(session, account)
    await bring_to(session, job, JobState.RUNNING)
    await refused(session, "no_success_without_verdict", SUCCEED, id=job.id, verdict=None)
    wrong = [
        await jobstore.add_verdict(session, job.id, "job", Ruling(decision="block")),
        await jobstore.add_verdict(session, job.id, "image", Ruling(decision="review")),
        await jobstore.add_verdict(session, job.id, "prompt", Ruling()),
        await jobstore.add_verdict(session, other.id, "job", Ruling()),
        await jobstore.add_verdict(session, None, "prompt", Ruling(), account_id=account.id),
        999_999,
    ]
    for verdict in wrong:
        await refused(session, "fk_jobs_passed_verdict", SUCCEED, id=job.id, verdict=verdict)
    right = await jobstore.add_verdict(session, job.id, "job", Ruling())
    await accepted(session, SUCCEED, id=job.id, verdict=right)


@pytest.mark.parametrize(
    ("fields", "saying"),
    [
        ({"decision": "maybe"}, "ck_verdicts_decision"),
        ({"subject": "person"}, "ck_verdicts_subject"),
        ({"subject": "image", "job": None}, "ck_verdicts_job_named"),
    ],
)
async def test_no_verdict_of_another_kind(
    session: Session, job: Job, fields: dict[str, Any], saying: str
) -> None:
    insert = """insert into verdicts (job_id, subject, decision, sha256, policy)
        values (:job, :subject, :decision, '', '')"""
    good = {"job": job.id, "subject": "image", "decision": "allow"}
    await refused(session, saying, insert, **(good | fields))
    await accepted(session, insert, **good)


# --- money -----------------------------------------------------------------------------------

ENTER = """
insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key)
values (:account, :job, :kind, :debit, :credit, :amount, :key)
"""


def entry(account: Account, job: Job | None, kind: str, **changes: Any) -> dict[str, Any]:
    available, held = f"available:{account.id}", f"held:{account.id}"
    sides = {
        "grant": ("issued", available),
        "hold": (available, held),
        "settle": (held, "spent"),
        "release": (held, available),
    }
    debit, credit = sides[kind]
    values = {"account": account.id, "job": job and job.id, "kind": kind, "amount": 1}
    return values | {"debit": debit, "credit": credit, "key": f"another {kind}"} | changes


async def test_a_job_is_held_settled_and_released_once(
    session: Session, account: Account, job: Job
) -> None:
    once = "uq_ledger_job_kind"
    await refused(session, once, ENTER, **entry(account, job, "hold"))
    for kind in ("settle", "release"):
        await accepted(session, ENTER, **entry(account, job, kind))
        await refused(session, once, ENTER, **entry(account, job, kind, key="and another"))


async def test_no_more_is_taken_than_was_held(session: Session, account: Account, job: Job) -> None:
    takes = "more than its hold"
    await refused(session, takes, ENTER, **entry(account, job, "settle", amount=1001))
    await accepted(session, ENTER, **entry(account, job, "settle", amount=600))
    await refused(session, takes, ENTER, **entry(account, job, "release", amount=401))
    await accepted(session, ENTER, **entry(account, job, "release", amount=400))


async def test_nothing_is_settled_that_was_not_held(session: Session, account: Account) -> None:
    values = GOOD_JOB | {"account": account.id}
    found = await session.execute(text(INSERT_JOB + " returning id"), values)
    unheld = found.scalar_one()
    for kind in ("settle", "release"):
        values = entry(account, None, kind) | {"job": unheld}
        await refused(session, "more than its hold", ENTER, **values)


async def test_nobody_settles_on_another_account(
    session: Session, account: Account, job: Job
) -> None:
    eve = await make_account(session, "eve")
    await refused(session, "more than its hold", ENTER, **entry(eve, job, "settle"))


@pytest.mark.parametrize(
    ("kind", "changes", "saying"),
    [
        ("grant", {"amount": -1}, "ck_ledger_amount_not_negative"),
        ("grant", {"debit": "spent"}, "ck_ledger_two_sides"),
        ("grant", {"credit": "available:another"}, "ck_ledger_two_sides"),
        ("hold", {"credit": "spent"}, "ck_ledger_two_sides"),
        ("release", {"credit": "available:another"}, "ck_ledger_two_sides"),
        ("settle", {"debit": "issued"}, "ck_ledger_two_sides"),
        ("grant", {"kind": "gift"}, "ck_ledger"),
        ("hold", {"job": None}, "ck_ledger_job_named"),
    ],
)
async def test_no_entry_moves_money_elsewhere(
    session: Session, account: Account, job: Job, kind: str, changes: dict[str, Any], saying: str
) -> None:
    named = None if kind == "grant" else job
    await refused(session, saying, ENTER, **(entry(account, named, kind) | changes))


async def test_an_entry_key_is_unique(session: Session, account: Account) -> None:
    await accepted(session, ENTER, **entry(account, None, "grant", key="gift"))
    await refused(
        session, "uq_ledger_entry_key", ENTER, **entry(account, None, "grant", key="gift")
    )


@pytest.mark.parametrize("pot", ["available_ms", "held_ms"])
async def test_no_balance_is_negative(session: Session, account: Account, pot: str) -> None:
    change = f"update balances set {pot} = -1 where account_id = :id"
    await refused(
        session, f"ck_balances_{pot.removesuffix('_ms')}_not_negative", change, id=account.id
    )


@pytest.mark.parametrize("book", ["ledger", "audit", "audit_chain", "verdicts", "transitions"])
async def test_books_are_append_only(
    session: Session, account: Account, job: Job, book: str
) -> None:
    await accepted(session, "insert into audit (actor, action, subject) values ('a', 'b', 'c')")
    await accepted(session, "set constraints all immediate")  # links are written at the commit
    await jobstore.add_verdict(session, job.id, "job", Ruling())
    await refused(session, "append-only", f"update {book} set id = id")
    await refused(session, "append-only", f"delete from {book}")
    await refused(session, "append-only", f"truncate {book} cascade")


# --- the rest --------------------------------------------------------------------------------


async def test_one_plan_is_in_force(session: Session, account: Account) -> None:
    another = "insert into plans_in_force (account_id, plan) values (:id, 'pro')"
    await refused(session, "uq_plans_in_force_open", another, id=account.id)
    backwards = "update plans_in_force set until = since - interval '1 s'"
    await refused(session, "until_after_since", backwards)


@pytest.mark.parametrize(
    ("statement", "saying"),
    [
        ("update accounts set standing = 'great'", "ck_accounts_standing"),
        ("update accounts set default_speed = 'warp'", "ck_accounts_default_speed"),
        (
            "insert into accounts (discord_id, name) select discord_id, 'twin' from accounts",
            "uq_accounts",
        ),
        ("insert into workers (name, device, slots) values ('w', 'cpu', 0)", "ck_workers_slots"),
        (
            "insert into deliveries (job_id, route, state) select id, '{}', 'lost' from jobs",
            "ck_deliveries",
        ),
    ],
)
async def test_no_row_says_what_nobody_understands(
    session: Session, job: Job, statement: str, saying: str
) -> None:
    await refused(session, saying, statement)


ASSET = """
insert into assets (job_id, kind, index, key, sha256, size, width, height, mime, verdict_id)
values (:job, :kind, :index, :key, '', :size, 1, 1, 'image/png', :verdict)
"""


@pytest.mark.parametrize(
    ("changes", "saying"),
    [
        ({"kind": "film"}, "ck_assets_kind"),
        ({"size": 0}, "ck_assets_measures"),
        ({"index": -1}, "ck_assets_measures"),
        ({"key": "first"}, "uq_assets_key"),
        ({"index": 0}, "uq_assets_job_id_kind_index"),
    ],
)
async def test_no_asset_is_doubtful(
    session: Session, job: Job, changes: dict[str, Any], saying: str
) -> None:
    verdict = await jobstore.add_verdict(session, job.id, "image", Ruling())
    good = {"job": job.id, "kind": "image", "size": 1, "verdict": verdict}
    await accepted(session, ASSET, **good, index=0, key="first")
    await refused(session, saying, ASSET, **(good | {"index": 1, "key": "second"} | changes))


async def test_the_books_of_a_whole_life_balance(session: Session, account: Account) -> None:
    for state in JobState:
        await bring_to(session, await make_job(session, account), state)
    running = await bring_to(session, await make_job(session, account), JobState.RUNNING)
    await end(session, running.id, JobState.SUCCEEDED)
    assert await ledger.audit_sums(session) == []


async def test_every_change_of_state_is_remembered(session: Session, job: Job) -> None:
    await bring_to(session, job, JobState.RUNNING, worker="w7")
    await jobstore.given_back(session, job.id, attempt=1, worker="w7")
    query = text(
        "select source, target, attempt, worker from transitions where job_id = :id order by id"
    )
    told = [tuple(row) for row in await session.execute(query, {"id": job.id})]
    assert told == [
        (None, "waiting", 0, None),
        ("waiting", "dispatched", 1, "w7"),
        ("dispatched", "running", 1, "w7"),
        ("running", "waiting", 1, "w7"),
    ]
