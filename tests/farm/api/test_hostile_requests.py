"""Whatever is sent to any route of our own description, none of it is our failure (Schemathesis).

The short run is part of the suite; `slow` is the whole of it: `make test-slow`, figures in docs/benchmarks.md.
"""

import asyncio
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from farm.api.services import Services
from shared.apikeys import Scope
from shared.config import ApiSettings, Settings
from tests.farm.api.conftest import PEPPER, NewKey
from tests.farm.api.serving import serving

EVERY_SCOPE = tuple(Scope)
NO_LIMIT = 10**9
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance"
SHORT, WHOLE = 4, 400  # cases of each route, at most


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


async def attacked(url: str, key: str, folder: Path, *, cases: int, seed: int = 1) -> str:
    """What Schemathesis says of it. AssertionError with its report when a check fails."""
    command = [
        *(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{url}/openapi.json",
            "--url",
            url,
        ),
        *("--header", f"Authorization: Bearer {key}", "--checks", CHECKS, "--workers", "1"),
        *(
            "--max-examples",
            str(cases),
            "--seed",
            str(seed),
            "--phases",
            "examples,coverage,fuzzing",
        ),
        *("--request-timeout", "20", "--continue-on-failure", "--no-color", "--warnings", "off"),
        *("--generation-database", "none", "--suppress-health-check", "all"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await process.communicate()
    said = told.decode(errors="replace")
    assert process.returncode == 0, said[-20_000:]
    return said


async def test_no_request_breaks_the_api(
    app: FastAPI, services: Services, new_key: NewKey, tmp_path: Path
) -> None:
    key = await new_key(scopes=EVERY_SCOPE)
    async with serving(app, services) as url:
        print(await attacked(url, key, tmp_path, cases=SHORT))
