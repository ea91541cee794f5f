"""`pictor job`: everything about one job, and no token."""

import json

import pytest

from farm.history import tell_job
from shared import jobstore
from shared.config import Settings
from shared.connections import Database
from shared.errors import Refusal
from shared.jobs import Route
from shared.moderation.audit import audit
from tests.farm.rows import a_job, an_account, claim, dispatch, end

SECRET = "aW50ZXJhY3Rpb246dG9rZW4"  # what could answer in our name
ROUTE = Route(channel_id="1", message_id="2", user_id="3", application_id="4", token=SECRET)


async def a_past(database: Database) -> str:
    """Crashed once, given back once, then cancelled."""
    job = await a_job(database, await an_account(database), route=ROUTE)
    sent = await claim(database, await dispatch(database, job, "gpu-1"), lease_s=-1.0)
    async with database.begin() as session:
        detail = {"attempt": 1, "code": "out_of_memory", "sentence": "It did not [fit]."}
        await audit(session, "gpu-1", "crash", f"job:{job.id}", detail)
        await jobstore.rescued(session, max_crashes=5)
    sent = await claim(database, await dispatch(database, job, "gpu-2"))
    async with database.begin() as session:
        await jobstore.given_back(session, job.id, attempt=sent.attempt, worker="gpu-2")
    await end(database, job)
    return str(job.id)


async def test_json_has_all_of_it(
    database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = await a_past(database)
    await tell_job(settings, job_id, as_json=True)
    text = capsys.readouterr().out
    told = json.loads(text)
    assert [move["target"] for move in told["transitions"]] == [
        "waiting", "dispatched", "running", "waiting", "dispatched", "running", "waiting",
        "cancelled",
    ]  # fmt: skip
    assert told["transitions"][3]["worker"] == "gpu-1"
    assert (told["job"]["id"], told["job"]["crashes"]) == (job_id, 1)
    assert told["job"]["spec"]["checkpoint"] == "postcards"
    assert [entry["kind"] for entry in told["money"]] == ["hold", "release"]
    assert [error["code"] for error in told["errors"]] == ["out_of_memory"]
    assert told["delivery"]["route"]["channel_id"] == "1"
    assert SECRET not in text


async def test_people_read_the_same(
    database: Database,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    job_id = await a_past(database)
    await tell_job(settings, job_id, as_json=False)
    text = capsys.readouterr().out
    for word in (job_id, "cancelled", "gpu-2", "out_of_memory", "It did not [fit].", "release"):
        assert word in text
    assert SECRET not in text


@pytest.mark.parametrize("name", ["12", "0198c000-0000-7000-8000-000000000000"])
async def test_what_is_no_job_is_refused_in_words(settings: Settings, name: str) -> None:
    with pytest.raises(Refusal, match=r"no job"):
        await tell_job(settings, name, as_json=True)
