"""`python -m tests.failclosed --jobs 1000`: break everything that may break between a picture and its owner.

Prints what was delivered (files, rows, previews), refunded and held, and what it cost anybody. Sound jobs
run afterwards through the same machinery, which must deliver all of them.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from farm.embedded import EmbeddedServers
from migrations.run import upgrade
from shared.config import (
    DatabaseSettings,
    ProvenanceSettings,
    RedisSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from tests.failclosed.run import Tally, prove
from tests.failclosed.troubles import SOUND, TROUBLES

SOUND_JOBS = 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    jobs = parser.parse_args().jobs
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(
            prefix="pictor-failclosed-", ignore_cleanup_errors=True
        ) as name,
        EmbeddedServers(Path(name), durable=False) as servers,
    ):
        upgrade(servers.database_url)
        settings, place = _settings(servers, Path(name)), Path(name)
        broken = asyncio.run(prove(settings, place / "broken", jobs=jobs, troubles=TROUBLES))
        sound = asyncio.run(prove(settings, place / "sound", jobs=SOUND_JOBS, troubles=(SOUND,)))
    _print(broken, sound, time.monotonic() - began)
    return 0 if is_proven(broken, sound) else 1


def is_proven(broken: Tally, sound: Tally) -> bool:
    nothing_left = broken.delivered == broken.held_ms == broken.strikes == broken.cases == 0
    everything = sound.ended["succeeded"] == sound.jobs and sound.delivered > 0
    told = broken.audited == broken.ended["blocked"] and broken.breaker_opened
    return nothing_left and broken.refunded == broken.jobs and told and everything


def _settings(servers: EmbeddedServers, folder: Path) -> Settings:
    options: dict[str, Any] = {"_env_file": None}
    return Settings(
        **options,
        database=DatabaseSettings(url=SecretStr(servers.database_url)),
        redis=RedisSettings(url=SecretStr(servers.redis_url)),
        storage=StorageSettings(folder=folder / "assets"),
        worker=WorkerSettings(snapshots=folder / "snapshots"),
        provenance=ProvenanceSettings(enabled=False, keys=folder / "keys"),
    )


def _print(broken: Tally, sound: Tally, seconds: float) -> None:
    print(f"{len(broken.by_trouble)} troubles on 4 paths, {broken.jobs} jobs, {seconds:.0f} s")
    print(f"delivered {broken.delivered}")
    print(
        f"refunded  {broken.refunded}  ({', '.join(f'{k} {v}' for k, v in broken.ended.items())})"
    )
    print(f"held      {broken.held_ms}")
    print(f"strikes   {broken.strikes}, cases {broken.cases}")
    print(f"audited   {broken.audited} of those blocked")
    print(f"breaker   {'opened' if broken.breaker_opened else 'STAYED CLOSED'}")
    print(f"sound     {sound.ended['succeeded']} of {sound.jobs} delivered")


if __name__ == "__main__":
    sys.exit(main())
