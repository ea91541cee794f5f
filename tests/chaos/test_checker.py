"""A judge that can say no: every rule is broken at least once, in a database or beside it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from tests.chaos.checker import RULES, judge
from tests.chaos.ruins import ACCOUNT, CALLED_OFF, POISON, SHOWN, VEILED, Ruins

Doctor = Callable[[Ruins], Awaitable[None]]


@pytest.fixture
async def ruins(database_url: str, tmp_path: Path) -> AsyncIterator[Ruins]:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    ruins = Ruins(connection, tmp_path)
    await ruins.build()
    yield ruins
    await connection.close()


def sql(statement: str, *values: object) -> Doctor:
    return lambda ruins: ruins.execute(statement, *values)


def move(*story: object, crashes: int = 0, worker: str | None = "w1") -> Doctor:
    job, source, target, attempt = story
    return lambda ruins: ruins.move(
        str(job), str(source), str(target), int(str(attempt)), crashes=crashes, worker=worker
    )


def beside(change: Callable[[Ruins], object]) -> Doctor:
    async def doctor(ruins: Ruins) -> None:
        change(ruins)

    return doctor


def picture(ruins: Ruins, change: Callable[[bytes], bytes], *, kind: str = "image") -> None:
    path = ruins.evidence.assets / SHOWN / "1" / kind
    path.write_bytes(change(path.read_bytes()))


async def other_pixels(ruins: Ruins) -> None:
    await ruins.execute(
        "update jobs set spec = jsonb_set(spec, '{seed}', '6') where id = $1", SHOWN
    )


async def crash_in_a_deploy(ruins: Ruins) -> None:
    last = "(select max(id) from transitions where job_id = $1)"
    await ruins.execute(f"update transitions set at = to_timestamp(52) where id = {last}", POISON)


LATE = {"until": 80.0}
UPDATE = "update jobs set "
ENTRY = """insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key)
    select account_id, job_id, kind, debit, credit, {amount}, 'again' from ledger where {which}"""
DOCTORS: list[tuple[str, str, Doctor]] = [
    ("lost", "row gone", sql("delete from jobs where id = $1", VEILED)),
    ("lost", "other key", sql(UPDATE + "submission_key = 'x' where id = $1", SHOWN)),
    ("lost", "no answer", beside(lambda r: r.evidence.wished.append({"key": "unheard"}))),
    (
        "stuck",
        "runs for ever",
        sql(UPDATE + "state = 'running', finished_at = null where id = $1", SHOWN),
    ),
    ("illegal moves", "back to life", move(SHOWN, "succeeded", "waiting", 1)),
    ("illegal moves", "skipped a state", move(SHOWN, "waiting", "succeeded", 1)),
    ("illegal moves", "attempt skipped", sql("update transitions set attempt = attempt + 1")),
    (
        "illegal moves",
        "crash from nowhere",
        sql("update transitions set crashes = 1 where job_id = $1", SHOWN),
    ),
    ("illegal moves", "untold", sql(UPDATE + "state = 'blocked' where id = $1", POISON)),
    ("terminal rows changed", "row", sql(UPDATE + "gpu_ms = 999 where id = $1", SHOWN)),
    ("terminal rows changed", "gone", sql("delete from jobs where id = $1", VEILED)),
    (
        "zombie commits",
        "a stranger ended it",
        sql("update transitions set worker = 'w2' where target = 'blocked'"),
    ),
    (
        "zombie commits",
        "a stranger claimed it",
        sql("update transitions set worker = 'w2' where target = 'running'"),
    ),
    ("zombie commits", "an older file", sql("update assets set key = replace(key, '/1/', '/0/')")),
    ("zombie commits", "an older verdict", sql("update verdicts set attempt = 0")),
    (
        "double-settled",
        "twice",
        sql(ENTRY.format(amount="amount_ms", which="kind = 'settle'")),
    ),
    (
        "money of jobs",
        "no hold",
        sql("delete from ledger where kind = 'hold' and job_id = $1", SHOWN),
    ),
    ("money of jobs", "not released", sql("delete from ledger where kind = 'release'")),
    (
        "money of jobs",
        "failed and charged",
        sql("update ledger set kind = 'settle' where kind = 'release' and job_id = $1", POISON),
    ),
    ("money of jobs", "free of charge", sql("delete from ledger where kind = 'settle'")),
    ("money of jobs", "other price", sql(UPDATE + "charged_ms = 31 where id = $1", SHOWN)),
    ("pots", "balance", sql("update balances set available_ms = 971")),
    ("pots", "held for ever", sql("update balances set held_ms = 1")),
    ("pots", "of nobody", sql("delete from balances where account_id = $1", ACCOUNT)),
    ("poison", "too early", sql(UPDATE + "crashes = 4 where id = $1", POISON)),
    (
        "innocent failures",
        "failed",
        sql(UPDATE + "state = 'failed', passed_verdict = null where id = $1", SHOWN),
    ),
    (
        "innocent failures",
        "cancel undone",
        beside(lambda r: r.evidence.client.append({"event": "cancelled", "job": SHOWN})),
    ),
    (
        "innocent failures",
        "shown though veiled",
        sql(UPDATE + "state = 'succeeded', passed_verdict = 1 where id = $1", VEILED),
    ),
    ("deploys", "late", beside(lambda r: r.evidence.blows[0].update(LATE))),
    ("deploys", "broken", beside(lambda r: r.evidence.blows[0].update(code=1))),
    ("deploys", "a crash counted", crash_in_a_deploy),
    ("wrong pixels", "of another seed", other_pixels),
    ("wrong pixels", "no picture", beside(lambda r: picture(r, lambda data: data[:20]))),
    ("assets missing", "file", beside(lambda r: (r.evidence.assets / SHOWN / "1/grid").unlink())),
    ("assets missing", "row", sql("delete from assets where kind = 'image'")),
    ("assets damaged", "bytes", beside(lambda r: picture(r, lambda data: data + b"!"))),
    ("assets damaged", "hash", sql("update assets set sha256 = 'x'")),
    (
        "assets unreferenced",
        "left behind",
        beside(lambda r: (r.evidence.assets / SHOWN / "zombie.png").write_bytes(b"!")),
    ),
    ("messages not final", "open", sql("update deliveries set state = 'open'")),
    ("messages not final", "gone", beside(lambda r: r.evidence.messages.pop())),
    (
        "messages not final",
        "progress over the end",
        beside(
            lambda r: r.evidence.messages[1].update(content="**a kraken number 0 and 1** (12%)")
        ),
    ),
    (
        "messages not final",
        "another picture",
        beside(lambda r: r.evidence.messages[0].update(embeds=[{"image": {"url": "x"}}])),
    ),
    (
        "messages not final",
        "promised in vain",
        beside(
            lambda r: r.evidence.messages.append(
                {"id": "m", "content": "**a ghost** x", "embeds": [], "components": []}
            )
        ),
    ),
    (
        "messages doubled",
        "two of them",
        beside(lambda r: r.evidence.messages.append({**r.evidence.messages[0], "id": "m2"})),
    ),
]


async def test_a_good_run_breaks_nothing(ruins: Ruins) -> None:
    assert {name: found for name, found in judge(await ruins.read()).items() if found} == {}
    assert ruins.evidence.jobs.keys() == {SHOWN, POISON, VEILED, CALLED_OFF}


@pytest.mark.parametrize(
    ("rule", "doctor"),
    [pytest.param(rule, doctor, id=f"{rule}: {how}") for rule, how, doctor in DOCTORS],
)
async def test_each_rule_says_no(ruins: Ruins, rule: str, doctor: Doctor) -> None:
    await doctor(ruins)
    assert list(RULES[rule](await ruins.read()))


def test_no_rule_is_without_a_doctor() -> None:
    assert {rule for rule, _, _ in DOCTORS} == RULES.keys()
