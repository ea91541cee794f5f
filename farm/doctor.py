"""`pictor doctor`: look at all that Pictor needs, and say in words what to do about each failure."""

import asyncio
import importlib.util
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex

from redis.exceptions import RedisError
from rich.console import Console

from farm.engine.weights.digests import Digests
from farm.engine.weights.whereabouts import look_up
from farm.safety.declarations import WORLD, read_declarations, uncovered
from farm.safety.seal import seal_of
from shared.catalog import read_catalog
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.storage import open_store

MAX_SKEW = timedelta(seconds=2)
TIMEOUT_S = 8.0
EXAMPLE = "change-me"  # what .env.example has in the place of each secret


@dataclass(frozen=True, slots=True)
class Check:
    """`fix` is empty when all is well."""

    name: str
    ok: bool
    words: str
    fix: str = ""


def database_url(settings: Settings) -> str:
    if settings.database.url is None:
        raise Fault(
            "no_database",
            "No database is configured. Set PICTOR_DATABASE__URL, for example"
            " postgresql+asyncpg://pictor:secret@localhost/pictor, or try `pictor demo`.",
        )
    return settings.database.url.get_secret_value()


async def examine(settings: Settings, *, only: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Prints the checks; 0 when all are well, 4 otherwise."""
    unknown = set(only) - set(CHECKS)
    if unknown:
        raise Fault(
            "unknown_check", f"No such check: {', '.join(unknown)}. There are {', '.join(CHECKS)}."
        )
    names = [name for name in CHECKS if not only or name in only]
    checks = await asyncio.gather(*(_checked(name, settings) for name in names))
    well = all(check.ok for check in checks)
    if as_json:
        Console(soft_wrap=True).print_json(json.dumps([asdict(check) for check in checks]))
    elif not (quiet and well):
        _print(checks)
    return 0 if well else 4


async def _checked(name: str, settings: Settings) -> Check:
    try:
        return await asyncio.wait_for(CHECKS[name](settings), TIMEOUT_S)
    except TimeoutError:
        return Check(name, ok=False, words=f"no answer in {TIMEOUT_S:.0f} s", fix=FIXES[name])
    except (Fault, OSError, RedisError) as error:
        words = error.sentence if isinstance(error, Fault) else str(error)
        return Check(name, ok=False, words=words, fix=FIXES[name])


async def _postgres(settings: Settings) -> Check:
    from migrations.run import current, newest

    url = database_url(settings)
    found, wanted = await asyncio.to_thread(current, url), newest()
    if found != wanted:
        fix = "Run `pictor migrate`."
        return Check(
            "postgres",
            ok=False,
            words=f"the schema is at {found or 'nothing'}, not {wanted}",
            fix=fix,
        )
    return Check("postgres", ok=True, words=f"answers, schema {found}")


async def _redis(settings: Settings) -> Check:
    if settings.redis.url is None:
        return Check("redis", ok=False, words="no Redis is configured", fix=FIXES["redis"])
    redis = connect_redis(settings.redis)
    try:
        await redis.ping()
        policy = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy", "noeviction")
    finally:
        await redis.aclose()
    if policy != "noeviction":
        fix = "Set `maxmemory-policy noeviction`: an evicted key is a doorbell that nobody hears."
        return Check("redis", ok=False, words=f"evicts keys ({policy})", fix=fix)
    return Check("redis", ok=True, words="answers, never evicts")


async def _storage(settings: Settings) -> Check:
    store = open_store(settings.storage)
    key, data = f"doctor/{token_hex(16)}.txt", b"pictor doctor"
    await store.put(key, data, mime="text/plain")
    same = await store.get(key) == data
    await store.delete(key)
    words = "a file was written, read and deleted" if same else "a file came back changed"
    return Check(
        "storage",
        ok=same,
        words=f"{settings.storage.kind}: {words}",
        fix="" if same else FIXES["storage"],
    )


async def _discord(settings: Settings) -> Check:
    if settings.discord.token is None:
        return Check("discord", ok=False, words="no bot token is set", fix=FIXES["discord"])
    status = await asyncio.to_thread(_who_am_i, settings)
    if status != 200:
        return Check("discord", ok=False, words=f"Discord answers {status}", fix=FIXES["discord"])
    return Check("discord", ok=True, words="the token is valid")


def _who_am_i(settings: Settings) -> int:
    assert settings.discord.token is not None
    headers = {
        "Authorization": f"Bot {settings.discord.token.get_secret_value()}",
        "User-Agent": "DiscordBot (pictor, 1)",
    }
    request = urllib.request.Request(f"{settings.discord.api_base}/users/@me", headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def _gpu(settings: Settings) -> Check:
    device = settings.worker.device
    if importlib.util.find_spec("torch") is None:
        fix = "Install the farm's extras here: pip install 'pictor[farm]'."
        return Check("gpu", ok=False, words="torch is not installed on this host", fix=fix)
    if device == "cpu":
        return Check("gpu", ok=True, words="this worker is set to draw on the CPU")
    if shutil.which("nvidia-smi") is None:
        return Check("gpu", ok=False, words="nvidia-smi is not on PATH", fix=FIXES["gpu"])
    query = ["nvidia-smi", "--query-gpu=index,name,memory.total", "--format=csv,noheader"]
    answer = await asyncio.to_thread(
        subprocess.run, query, capture_output=True, text=True, check=False
    )
    found = answer.stdout.strip().splitlines()
    index = int(device.partition(":")[2] or 0)
    if answer.returncode or index >= len(found):
        words = f"{device} is not there; nvidia-smi lists {len(found)} GPU(s)"
        return Check("gpu", ok=False, words=words, fix=FIXES["gpu"])
    return Check("gpu", ok=True, words=found[index])


async def _models(settings: Settings) -> Check:
    catalog = read_catalog(settings.catalog_file)
    known = Digests()
    weights = [one.weights for one in catalog.checkpoints.values()]
    for place in [*weights, *(one.weights for one in catalog.adapters.values())]:
        await asyncio.to_thread(look_up, place, known)
    names = ", ".join([*catalog.checkpoints, *catalog.adapters])
    return Check("models", ok=True, words=f"{names}: every file is there and is what it was")


async def _detectors(settings: Settings) -> Check:
    """What may be drawn here, and which category nothing would look for in it."""
    declared = read_declarations(settings.worker.detectors)
    lacking = {}
    for checkpoint in read_catalog(settings.catalog_file).checkpoints.values():
        unknown = set(checkpoint.detectors) - {WORLD, *declared}
        missing = sorted(uncovered(checkpoint.detectors, declared)) + sorted(map(repr, unknown))
        if missing:
            lacking[checkpoint.name] = missing
    for declaration in declared.values():
        await asyncio.to_thread(seal_of, declaration)
    if lacking:
        words = "; ".join(f"{name} has none for {', '.join(of)}" for name, of in lacking.items())
        return Check("detectors", ok=False, words=words, fix=FIXES["detectors"])
    names = ", ".join([WORLD, *declared])
    return Check("detectors", ok=True, words=f"{names}: every category is looked for")


async def _provenance(settings: Settings) -> Check:
    if importlib.util.find_spec("c2pa") is None:
        return Check("provenance", ok=True, words="this host neither signs nor checks pictures")
    from farm.safety.provenance import open_provenance

    if not settings.provenance.enabled:
        return Check(
            "provenance", ok=True, words="switched off: pictures are not marked, not signed"
        )
    await asyncio.to_thread(open_provenance, settings.provenance)
    return Check("provenance", ok=True, words="a picture was marked, signed, and known again")


async def _clock(settings: Settings) -> Check:
    database_url(settings)
    database = Database.connect(settings.database)
    try:
        skew = abs(await database.now() - datetime.now(UTC))
    finally:
        await database.close()
    if skew > MAX_SKEW:
        words = f"this host and Postgres differ by {skew.total_seconds():.1f} s"
        return Check("clock", ok=False, words=words, fix=FIXES["clock"])
    return Check("clock", ok=True, words=f"within {skew.total_seconds() * 1000:.0f} ms of Postgres")


async def _api(settings: Settings) -> Check:
    """Without a pepper all is well for who wants no API, but they should know."""
    if settings.api.pepper is None:
        return Check("api", ok=True, words="nobody has a key: PICTOR_API__PEPPER is not set")
    return Check("api", ok=True, words=f"keys open {settings.api.public_url}")


async def _secrets(settings: Settings) -> Check:
    """An example's password is nobody's secret."""
    told = {
        "PICTOR_DATABASE__URL": settings.database.url,
        "PICTOR_REDIS__URL": settings.redis.url,
        "PICTOR_API__PEPPER": settings.api.pepper,
        "PICTOR_DISCORD__TOKEN": settings.discord.token,
        "PICTOR_STORAGE__ACCESS_KEY": settings.storage.access_key,
        "PICTOR_STORAGE__SECRET_KEY": settings.storage.secret_key,
    }
    left = [
        name for name, secret in told.items() if secret and EXAMPLE in secret.get_secret_value()
    ]
    if left:
        words = f"still as in the example: {', '.join(left)}"
        return Check("secrets", ok=False, words=words, fix=FIXES["secrets"])
    return Check("secrets", ok=True, words="none is an example's")


CHECKS: dict[str, Callable[[Settings], Awaitable[Check]]] = {
    "postgres": _postgres,
    "redis": _redis,
    "storage": _storage,
    "discord": _discord,
    "gpu": _gpu,
    "models": _models,
    "detectors": _detectors,
    "provenance": _provenance,
    "clock": _clock,
    "api": _api,
    "secrets": _secrets,
}

FIXES = {
    "postgres": "Is Postgres running and reachable? Check PICTOR_DATABASE__URL"
    " (postgresql+asyncpg://user:password@host/name).",
    "redis": "Is Redis running and reachable? Check PICTOR_REDIS__URL (redis://:password@host:6379/0).",
    "storage": "Check PICTOR_STORAGE__*: a writable folder, or an existing bucket and its keys.",
    "discord": "Create a bot at https://discord.com/developers/applications, copy its token to"
    " PICTOR_DISCORD__TOKEN, and check that this host reaches discord.com.",
    "gpu": "Install the NVIDIA driver, or set PICTOR_WORKER__DEVICE to a device that exists (cpu works).",
    "models": "A model file is missing or changed. Restore the folder named above, or correct the catalog.",
    "detectors": "Declare detectors for these in PICTOR_WORKER__DETECTORS and name them in the checkpoint"
    " (docs/catalog.md, image detectors).",
    "provenance": "Run `pictor keys init` on this host or copy its folder here (PICTOR_PROVENANCE__KEYS), or"
    " switch it off in so many words: PICTOR_PROVENANCE__ENABLED=false.",
    "api": "Set PICTOR_API__PEPPER (openssl rand -base64 32).",
    "secrets": "Choose a password of your own for each, in the servers and in .env.",
    "clock": "Let this host keep time (chrony or systemd-timesyncd): signatures and Discord's rules need it.",
}


def _print(checks: list[Check]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for check in checks:
        mark = "[green]ok  [/]" if check.ok else "[red]fail[/]"
        console.print(f"{mark} {check.name:<9} {check.words}")
        if check.fix:
            console.print(f"     {'':<9} [dim]→ {check.fix}[/]")
