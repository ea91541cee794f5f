"""Named places where a process is told to die, and spells it must live through. Orders are files.

A process under test asks at each place; nothing of it lies in the product. The folder is shared by all
processes of a run, an order's name is `<process>.<place>`.
"""

import os
import signal
import time
from pathlib import Path

# Where a worker (or its child), a dispatcher and the bot can be struck.
CHILD = ("mid_step", "after_snapshot")
WORKER = (*CHILD, "after_claim", "after_filter", "after_put", "before_commit", "after_commit")
DISPATCHER = ("before_commit", "after_commit")
BOT = ("before_edit", "after_edit")
# On a line to a server: the n-th commit, or answer of Redis, is carried out and never told.
CUT_COMMIT, CUT_REDIS = "cut_commit", "cut_redis"
# Spells: what does not kill, but lasts for a while.
NO_HEARTBEAT, STORAGE_ERRORS, FROZEN_LINE = "no_heartbeat", "storage_errors", "frozen_line"
LEADS = "leads"  # a note, by the dispatcher that begins to lead


class Points:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def passed(self, place: str, *, victim: int | None = None) -> None:
        """The n-th pass since the order was written is the last thing that `victim` (we) did."""
        if self.due(place):
            os.kill(victim or os.getpid(), signal.SIGKILL)
            time.sleep(60)  # the kernel is quicker

    def due(self, place: str) -> bool:
        """Whether this is the n-th time we ask since the order was written."""
        order = self._order(place)
        try:
            left = int(order.read_text())
        except (FileNotFoundError, ValueError):
            return False
        if left > 1:
            self._write(place, str(left - 1))
            return False
        order.unlink(missing_ok=True)
        return True

    def lasts(self, spell: str) -> bool:
        try:
            return time.time() < float(self._order(spell).read_text())
        except (FileNotFoundError, ValueError):
            return False

    def note(self, word: str) -> None:
        self._write(word, str(time.time()))

    def strike(self, place: str, *, at: int) -> None:
        self._write(place, str(at))

    def cast(self, spell: str, *, seconds: float) -> None:
        self._write(spell, str(time.time() + seconds))

    def struck(self, place: str) -> bool:
        """Whether a `strike` was carried out, or forgiven."""
        return not self._order(place).exists()

    def forgive(self, place: str) -> None:
        self._order(place).unlink(missing_ok=True)

    def _order(self, place: str) -> Path:
        return self._folder / f"{self._name}.{place}"

    def _write(self, place: str, text: str) -> None:
        draft = self._order(f"{place}.draft")
        draft.write_text(text)
        draft.replace(self._order(place))
