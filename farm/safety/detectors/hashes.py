"""The operator's own list of pictures that must never be shown."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from farm.engine.messages import Picture
from farm.safety.detectors.contract import KNOWN, Sight
from shared.errors import Fault
from shared.safety.verdict import Decision


class HashDetector:
    """The operator's own list: SHA-256 of native pixels, one a line. Never configurable off by a user."""

    name = "hashes"
    covers = frozenset({KNOWN})

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self.version = hashlib.sha256("\n".join(sorted(known)).encode()).hexdigest()[:12]

    @classmethod
    def load(cls, path: Path) -> "HashDetector":
        """Fault when the file is missing or a line is no hash: a list half read protects nobody."""
        try:
            lines = [line.split("#")[0].strip().lower() for line in path.read_text().splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise Fault("hash_list_unreadable", f"The hash list {path} cannot be read.") from error
        known = frozenset(filter(None, lines))
        for digest in known:
            _check_digest(digest, path)
        return cls(known)

    def look(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Sight]:
        return [self._look(picture) for picture in pictures]

    def _look(self, picture: Picture) -> Sight:
        if hashlib.sha256(picture.rgb).hexdigest() in self._known:
            return Sight(Decision.BLOCK, KNOWN, 1.0, "known_hash")
        return Sight()


def _check_digest(digest: str, path: Path) -> None:
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise Fault(
            "hash_list_unreadable", f"The hash list {path} holds {digest[:20]!r}: no SHA-256."
        )
