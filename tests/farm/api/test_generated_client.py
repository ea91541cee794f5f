"""A Python client made of our own description by openapi-python-client, and used."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from farm.api.services import Services
from tests.farm.api.conftest import NewKey
from tests.farm.api.serving import serving

NAME = "pictor_client"
# What the generator cannot know of: pictures and streams are bytes to it.
KINDS = ("image/webp", "image/png")


@pytest.fixture
def made(app: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The client's package. AssertionError when the generator could not read a part of the description."""
    (tmp_path / "openapi.json").write_text(json.dumps(app.openapi()))
    overrides = {"content_type_overrides": dict.fromkeys(KINDS, "application/octet-stream")}
    (tmp_path / "config.json").write_text(json.dumps(overrides | {"post_hooks": []}))
    command = str(Path(sys.executable).with_name("openapi-python-client"))
    told = subprocess.run(
        [
            *(command, "generate", "--path", "openapi.json", "--config", "config.json"),
            *("--meta", "none", "--output-path", NAME, "--fail-on-warning"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(NAME)


def part(name: str) -> Any:
    return importlib.import_module(f"{NAME}.{name}")


async def test_a_client_made_of_our_description_works(
    made: ModuleType, app: FastAPI, services: Services, new_key: NewKey
) -> None:
    key = await new_key()
    async with (
        serving(app, services) as url,
        made.AuthenticatedClient(base_url=url, token=key) as client,
    ):
        body = part("models").JobInput(prompt="a red sailboat --seed 7", aspect="3:2")
        create = part("api.jobs.create_job").asyncio
        first = await create(client=client, body=body, idempotency_key="once")
        again = await create(client=client, body=body, idempotency_key="once")
        assert isinstance(first, part("models").Accepted)
        assert (again.id, again.status) == (first.id, first.status)
        job = await part("api.jobs.get_job").asyncio(first.id, client=client)
        assert (job.id, job.input_.prompt) == (first.id, "a red sailboat --seed 7 --ar 3:2")
        listed = await part("api.jobs.list_jobs").asyncio(client=client)
        assert [one.id for one in listed.data] == [first.id]
        ended = await part("api.jobs.cancel_job").asyncio(first.id, client=client)
        assert ended.state == "cancelled"
        await _ask_for_nothing(client)


async def _ask_for_nothing(client: Any) -> None:
    nobody: UUID = uuid4()
    problem = await part("api.jobs.get_job").asyncio(nobody, client=client)
    assert isinstance(problem, part("models").Problem)
    assert (problem.status, problem.code) == (404, "unknown_job")
