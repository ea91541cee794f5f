"""LoRAs that people brought, on families: who holds them, and which come off again.

There may be thousands of them, and each takes memory of the device where it hangs. So a family keeps the last
few, and every one that a job holds.
"""

from collections.abc import Collection
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

MOST = 16  # on one family, beside those that are held


class Hold:
    """While somebody has it, these stay where they hang."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)


class Rack:
    """Safe in several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._hung: WeakKeyDictionary[Any, dict[str, None]] = WeakKeyDictionary()
        self._holds: WeakSet[Hold] = WeakSet()
        self._lock = Lock()

    def hold(self, names: Collection[str]) -> Hold:
        """Before anybody looks whether they hang there."""
        with self._lock:
            held = Hold(names)
            self._holds.add(held)
        return held

    def hung(self, family: Any, name: str) -> None:
        """It was put there now: the oldest that nobody holds make room."""
        with self._lock:
            names = self._hung.setdefault(family, {})
            names.pop(name, None)
            names[name] = None
            held = self._held()
            loose = [one for one in names if one not in held and one != name]
            for oldest in loose[: max(0, len(names) - self._most)]:
                self._take_off(family, oldest)

    def drop(self, name: str) -> bool:
        """From every family; False, and it stays, while anybody holds it."""
        with self._lock:
            if name in self._held():
                return False
            for family in list(self._hung):
                self._take_off(family, name)
        return True

    def _held(self) -> set[str]:
        return {name for hold in self._holds for name in hold.names}

    def _take_off(self, family: Any, name: str) -> None:
        if self._hung[family].pop(name, self) is None:
            for bank in family.loras.values():
                bank.remove(name)
