"""Keeps one server process alive exactly as long as its owner: `python guardian.py [options] -- command`.

The owner holds the write end of our standard input and never writes. When it closes, because the owner
stopped us, ended or was killed with SIGKILL, we stop the server and remove what is its own. The first
line on our standard output is the server's pid. Standard library only: this file runs as a script, in a
Python that sees no packages.
"""

import argparse
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAP_VERSION_3 = 0x20080522


def main(argv: Sequence[str]) -> int:
    options = _options(argv)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # the owner decides, through the pipe alone
    server = subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_become(options.uid, options.gid),
    )
    print(server.pid, flush=True)
    _wait_for_either(server.pid)
    _stop(server, options.signal, options.grace)
    for folder in options.remove:
        shutil.rmtree(folder, ignore_errors=True)
    return server.returncode


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guardian")
    parser.add_argument("--signal", type=int, default=signal.SIGTERM)
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("--remove", action="append", default=[])
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs="+")
    return parser.parse_args(argv)


def _wait_for_either(pid: int) -> None:
    """Returns when the owner's end of the pipe closes or the server ends. No polling."""
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while not _ended(pid):
        ready, _, _ = select.select([0, wake], [], [])
        if 0 in ready and not os.read(0, 1024):
            return
        if wake in ready:
            os.read(wake, 1024)


def _ended(pid: int) -> bool:
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, flags) is not None


def _stop(server: "subprocess.Popen[bytes]", stop_signal: int, grace: float) -> None:
    server.send_signal(stop_signal)
    server.send_signal(signal.SIGCONT)  # a frozen one would hear nothing
    try:
        server.wait(grace)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _become(uid: int | None, gid: int | None) -> Callable[[], None]:
    """What the child does before it becomes the server: default signals, another user, death with us."""

    def prepare() -> None:
        for restored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(restored, signal.SIG_DFL)
        if uid is not None and gid is not None:
            _drop_root(uid, gid)
        if sys.platform == "linux":  # cleared by a change of user, so it comes last
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return prepare


def _drop_root(uid: int, gid: int) -> None:
    """PostgreSQL refuses to run as root. It runs as another user that may still pass through folders
    which only root can enter (a virtual environment under /root), so we need not open them to everybody.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    mask = 1 << _CAP_DAC_OVERRIDE
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable
    libc.capset(header, sets)
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
