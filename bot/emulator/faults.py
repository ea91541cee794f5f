"""Trouble on purpose: errors, limits, lost connections and delays for chosen requests."""

import random
import re
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["status", "limit", "drop", "lose", "delay"]
KINDS: tuple[Kind, ...] = ("status", "limit", "drop", "lose", "delay")


@dataclass(slots=True)
class Fault:
    """`drop` resets the connection before the request is carried out, `lose` afterwards."""

    kind: Kind
    path: re.Pattern[str]
    method: str = ""
    status: int = 500
    seconds: float = 0.5
    times: int | None = None
    chance: float = 1.0
    everywhere: bool = False
    hits: int = 0


@dataclass(slots=True)
class Faults:
    seed: int = 0
    active: list[Fault] = field(default_factory=list)
    _dice: random.Random = field(default_factory=lambda: random.Random(0))

    def add(self, wish: dict[str, Any]) -> Fault:
        """From JSON. ValueError names what is wrong with the wish."""
        kind = wish.get("kind")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        try:
            path = re.compile(wish.get("path", ""))
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from error
        if "seed" in wish:
            self.reseed(int(wish["seed"]))
        fault = Fault(
            kind=kind,
            path=path,
            method=str(wish.get("method", "")).upper(),
            status=int(wish.get("status", 500)),
            seconds=float(wish.get("seconds", 0.5)),
            times=wish.get("times"),
            chance=float(wish.get("chance", 1.0)),
            everywhere=bool(wish.get("everywhere", False)),
        )
        self.active.append(fault)
        return fault

    def reseed(self, seed: int) -> None:
        self.seed = seed
        self._dice = random.Random(seed)

    def clear(self) -> None:
        self.active.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that befalls this request, if any, counted."""
        for fault in self.active:
            if fault.method not in ("", method) or not fault.path.search(path):
                continue
            if fault.times is not None and fault.hits >= fault.times:
                continue
            if self._dice.random() < fault.chance:
                fault.hits += 1
                return fault
        return None
