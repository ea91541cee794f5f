"""Who may stay where memory is short. Pure: bytes and times in, choices out; no torch, no clock."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from shared.errors import Fault

Key = Hashable

HALF_LIFE_S = 600.0  # a use ten minutes ago counts half of one now
PATIENCE = 64  # jobs that may overtake the oldest one before it is served whatever it costs
GUESTS = ("text_encoder", "image_encoder", "vae")  # work once a picture; in the order they give way


def worth(uses: float, *, seconds: float, size: int) -> float:
    """What a byte of it saves: loads that are likely soon, times what one takes."""
    return uses * seconds / max(1, size)


class Uses:
    """How often each was wanted lately; remembered also of those that left."""

    def __init__(self, half_life: float = HALF_LIFE_S) -> None:
        self.half_life = half_life
        self._counts: dict[Key, tuple[float, float]] = {}

    def note(self, key: Key, now: float) -> None:
        self._counts[key] = self.of(key, now) + 1, now

    def of(self, key: Key, now: float) -> float:
        count, then = self._counts.get(key, (0.0, now))
        return float(count * 0.5 ** ((now - then) / self.half_life))


@dataclass(frozen=True, slots=True)
class Resident:
    """`fixed` never leaves by itself, `first` goes before any other."""

    size: int
    fixed: bool = False
    first: bool = False


class Tier:
    """One memory and its budget in bytes. What is in it never adds up to more."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._residents: dict[Key, Resident] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._residents

    @property
    def keys(self) -> list[Key]:
        return list(self._residents)

    @property
    def used(self) -> int:
        return sum(one.size for one in self._residents.values())

    @property
    def free(self) -> int:
        return self.budget - self.used

    def size(self, key: Key) -> int:
        return self._residents[key].size if key in self._residents else 0

    def room(self, key: Key, keep: Collection[Key]) -> int:
        """What `key` could have at most, were everything that may leave gone."""
        stays = (one for one in self._residents if one != key and not self._loose(one, keep))
        return self.budget - sum(map(self.size, stays))

    def settle(self, key: Key, resident: Resident) -> None:
        """Takes it in, or at its new size; whoever calls this has made room."""
        grown = resident.size - self.size(key)
        if grown > max(0, self.free):
            raise ValueError(f"{key} wants {grown} bytes where {self.free} are free")
        self._residents[key] = resident

    def leave(self, key: Key) -> None:
        """Nothing happens if it is not here."""
        self._residents.pop(key, None)

    def leavers(
        self,
        short: int,
        *,
        worths: Mapping[Any, float],
        keep: Collection[Key] = (),
        soon: Collection[Key] = (),
    ) -> list[Key] | None:
        """Whom to let go for `short` bytes, least worth first; None when even all are not enough.

        `keep` are in use; those that will be wanted `soon` go last.
        """
        loose = [key for key in self._residents if self._loose(key, keep)]
        chosen: list[Key] = []
        for key in sorted(loose, key=lambda key: self._rank(key, worths, soon)):
            if short <= 0:
                break
            chosen.append(key)
            short -= self.size(key)
        return None if short > 0 else self._needed(chosen, spare=-short)

    def _loose(self, key: Key, keep: Collection[Key]) -> bool:
        return not self._residents[key].fixed and key not in keep

    def _rank(
        self, key: Key, worths: Mapping[Any, float], soon: Collection[Key]
    ) -> tuple[bool, bool, float]:
        return key in soon, not self._residents[key].first, worths.get(key, 0.0)

    def _needed(self, chosen: Sequence[Key], *, spare: int) -> list[Key]:
        """A large one at the end may make a smaller, worthier one before it superfluous."""
        needed: list[Key] = []
        for key in reversed(chosen):
            if self.size(key) <= spare:
                spare -= self.size(key)
            else:
                needed.append(key)
        return needed[::-1]


# --- what does not fit -----------------------------------------------------------------------


def resident_bytes(parts: Mapping[str, int], away: Collection[str]) -> int:
    """On the device while those `away` visit it one at a time."""
    stays = sum(size for name, size in parts.items() if name not in away)
    return stays + max((parts[name] for name in away), default=0)


def guests(parts: Collection[str]) -> list[str]:
    """Components that can wait on the host, in the order in which they are sent there."""
    return [name for kind in GUESTS for name in sorted(parts) if name.startswith(kind)]


def offload(parts: Mapping[str, int], room: int) -> frozenset[str] | None:
    """Which components must wait on the host for the rest to fit: the fewest; None if none do."""
    movable = guests(parts)
    for count in range(len(movable) + 1):
        for away in combinations(movable, count):
            if resident_bytes(parts, away) <= room:
                return frozenset(away)
    return None


def too_large(name: str, *, needed: int, there: int) -> Fault:
    sentence = (
        f"{name} needs {_amount(needed)} of this device's memory, of which {_amount(there)} can be "
        "had. Use a larger GPU, raise the pool's budget, or mark fewer checkpoints as hot."
    )
    return Fault("too_large_for_device", sentence, retryable=True)


def no_room_yet(name: str, *, needed: int, there: int) -> Fault:
    sentence = (
        f"{name} needs {_amount(needed)} of this device's memory, of which {_amount(there)} can be "
        "had until other jobs have ended. Try again then, or use a larger GPU."
    )
    return Fault("no_room_yet", sentence, retryable=True)


def _amount(size: int) -> str:
    readable = f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
    return f"{readable} ({size} bytes)"


# --- who is next -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job and the checkpoint it needs; `overtaken` by how many that came later."""

    key: Key
    overtaken: int = 0


def next_in_line(waiting: Sequence[Waiting], warm: Collection[Key]) -> int:
    """The oldest whose checkpoint is warm, unless the oldest of all has been patient enough."""
    if waiting[0].overtaken >= PATIENCE:
        return 0
    return next((place for place, one in enumerate(waiting) if one.key in warm), 0)
