"""Ends this process when a step hangs: a stuck kernel answers to nobody, and its job resumes elsewhere."""

import logging
import os
import threading
import time
from dataclasses import dataclass

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
HUNG = 70  # EX_SOFTWARE: another start may well help


@dataclass(frozen=True, slots=True)
class Patience:
    """A step may take `times` the usual step, and `least_s` in any case: the first one compiles."""

    times: float = 40.0
    least_s: float = 60.0


class Heart:
    """Pure: when did the step that is under way begin, and is that longer ago than is usual?"""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._usual_s = 0.0
        self._began: float | None = None

    def begins(self, now: float) -> None:
        self._began = now

    def ends(self, now: float) -> None:
        if self._began is not None:
            self._usual_s += 0.1 * (now - self._began - self._usual_s)
        self._began = None

    def hangs(self, now: float) -> bool:
        began = self._began
        allowed_s = max(self._patience.least_s, self._patience.times * self._usual_s)
        return began is not None and now - began > allowed_s


class Watchdog(Heart):
    def __init__(self, patience: Patience | None = None) -> None:
        super().__init__(patience or Patience())

    def start(self) -> None:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        while not self.hangs(time.monotonic()):
            time.sleep(LOOK_EVERY_S)
        log.critical("A step hangs: this process ends, and its jobs resume from their snapshots.")
        os._exit(HUNG)
