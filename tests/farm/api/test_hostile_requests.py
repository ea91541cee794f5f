"""Whatever is sent to any route of our own description, none of it is our failure (Schemathesis).

The short run is part of the suite; the whole of it is `slow`, and its figures are in docs/benchmarks.md.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from farm.api.services import Services
from shared import jobstore, ledger
from shared.apikeys import Scope
from shared.config import ApiSettings, Settings
from shared.connections import Database, Session
from shared.jobs import Job, JobState
from tests.farm.api.conftest import PEPPER, NewKey
from tests.farm.api.serving import serving
from tests.shared.rows import bring_to

EVERY_SCOPE = tuple(Scope)
NO_LIMIT = 10**9
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance"
# A stream that does not end by itself: each case of it would last to the limit. And a pause of everything:
# every other answer would be that the farm is paused.
LEFT_OUT = ("follow_jobs", "pause")
WHOLE = 20_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As many requests as it likes: what is asked here is what a request does, not how often."""
    api = ApiSettings(
        pepper=PEPPER,
        requests_per_minute=NO_LIMIT,
        account_requests_per_minute=NO_LIMIT,
        address_requests_per_minute=NO_LIMIT,
    )
    return settings.model_copy(update={"api": api})


@asynccontextmanager
async def withheld(database: Database) -> AsyncIterator[None]:
    """The image filter says no to whatever is drawn: nobody waits for it for long, and it is no failure."""

    async def end_all() -> None:
        while True:
            async with database.begin() as session:
                for job in await jobstore.waiting(session):
                    await _withhold(session, job)
            await asyncio.sleep(0.2)

    task = asyncio.create_task(end_all())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _withhold(session: Session, job: Job) -> None:
    running = await bring_to(session, job, JobState.RUNNING)
    said = {"code": "image_blocked", "sentence": "These pictures are withheld."}
    held = {"attempt": running.attempt, "worker": running.worker or "", "gpu_ms": 1}
    await jobstore.blocked(session, job.id, **held, **said)  # type: ignore[arg-type]
    await ledger.release(session, job)


async def attacked(url: str, key: str, folder: Path, *, cases: int, phases: str, seed: int) -> str:
    """What Schemathesis says of it. AssertionError with its report when a check fails."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
        *("--url", url, "--header", f"Authorization: Bearer {key}", "--checks", CHECKS),
        *("--max-examples", str(cases), "--phases", phases, "--seed", str(seed)),
        *(word for name in LEFT_OUT for word in ("--exclude-operation-id", name)),
        *("--request-timeout", "120", "--continue-on-failure"),
        *("--generation-database", "none", "--suppress-health-check", "all"),
        *("--no-color", "--warnings", "off"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await process.communicate()
    said = told.decode(errors="replace")
    assert process.returncode == 0, said[-20_000:]
    return said


def generated(said: str) -> int:
    found = re.search(r"([\d,]+) generated", said)
    assert found is not None, said[-2_000:]
    return int(found[1].replace(",", ""))


@pytest.mark.timeout(600)
async def test_no_request_breaks_the_api(
    app: FastAPI, services: Services, new_key: NewKey, tmp_path: Path
) -> None:
    key = await new_key(scopes=EVERY_SCOPE)
    async with serving(app, services) as url, withheld(services.database):
        said = await attacked(url, key, tmp_path, cases=2, phases="examples,fuzzing", seed=1)
    assert generated(said) > 100


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_no_request_of_twenty_thousand_breaks_the_api(
    app: FastAPI, services: Services, new_key: NewKey, tmp_path: Path
) -> None:
    key, made, seed = await new_key(scopes=EVERY_SCOPE), 0, 0
    async with serving(app, services) as url, withheld(services.database):
        while made < WHOLE:
            seed += 1
            said = await attacked(
                url, key, tmp_path, cases=60, phases="coverage,fuzzing", seed=seed
            )
            made += generated(said)
    print(f"{made} cases, {seed} seeds: no server error")
