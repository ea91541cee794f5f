"""The operator's lists of pictures that must never be shown, and whether a picture is one of them.

SHA-256 and MD5 know a file, or exactly these native pixels. PDQ knows a picture that was re-encoded,
resized or lightly changed; turned and mirrored ones are asked for too (Hamming distance up to 31 of 256
bits, as its authors advise). Tests use hashes of noise: Pictor ships no list.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from farm.engine.messages import Finding, Picture
from farm.safety.detectors.contract import DAMAGED, KNOWN
from shared.errors import Fault
from shared.moderation.knownhashes import DIGITS, KnownHash
from shared.safety.verdict import Decision

FARTHEST = 31  # bits
LEAST_QUALITY = 50  # what shows less has no fingerprint of its own: PDQ's authors match none of it
LARGEST = 512  # pixels a side: PDQ looks at 64, and a hash of a larger picture costs more for the same bits
MOST_PIXELS = 64 * 2**20
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
RULE = "known_hash"
UNREADABLE_RULE = "filter_failed:hashes:picture"

Bits = NDArray[np.uint8]


class Row(Protocol):
    """Of a list, wherever it is kept."""

    @property
    def algorithm(self) -> str: ...
    @property
    def digest(self) -> str: ...


class KnownHashes:
    """`version` names all that is listed."""

    def __init__(self, exact: frozenset[str], pdq: Bits, version: str) -> None:
        self._exact, self._pdq = exact, pdq
        self.version = f"hashes-{version}"

    def __len__(self) -> int:
        return len(self._exact) + len(self._pdq)

    @classmethod
    def build(cls, rows: Iterable[Row]) -> "KnownHashes":
        """Fault for a row that is no hash, and for a PDQ hash where the extra is not installed."""
        listed = sorted({(row.algorithm, _checked(row)) for row in rows})
        near = [bytes.fromhex(digest) for algorithm, digest in listed if algorithm == "pdq"]
        if near and find_spec("pdqhash") is None:
            sentence = "The list holds PDQ hashes: pip install 'pictor[hashes]' on every worker."
            raise Fault("hashes_extra_missing", sentence)
        pdq = np.frombuffer(b"".join(near), dtype=np.uint8).reshape(len(near), 32)
        # A SHA-256 and an MD5 differ in length, so they may lie in one set.
        exact = frozenset(digest for algorithm, digest in listed if algorithm != "pdq")
        return cls(exact, pdq, hashlib.sha256(repr(listed).encode()).hexdigest()[:12])

    def screen(self, pictures: Sequence[Picture], findings: Sequence[Finding]) -> list[Finding]:
        """The findings, a known picture's in place of whatever was found in it."""
        if not len(self):
            return list(findings)
        return [
            self._finding(one, finding) for one, finding in zip(pictures, findings, strict=False)
        ] + list(findings[len(pictures) :])

    def screen_upload(self, data: bytes) -> Finding:
        """A file from outside, before anything else reads it. What cannot be read is blocked."""
        digest = hashlib.sha256(data).hexdigest()
        if not len(self):
            return Finding(digest, Decision.ALLOW.value, "none", 0.0, "", self.version)
        rule = self._known_bytes(data) or _unless_broken(lambda: self._known_image(_opened(data)))
        if rule == UNREADABLE_RULE:
            return Finding(digest, Decision.BLOCK.value, DAMAGED, 1.0, rule, self.version)
        return self._told(digest, rule)

    def screen_file(self, data: bytes, picture: Picture) -> Finding:
        """As `screen_upload`, of a file whose pixels somebody else has decoded."""
        digest = hashlib.sha256(data).hexdigest()
        plain = Finding(digest, Decision.ALLOW.value, "none", 0.0, "", self.version)
        rule = self._known_bytes(data)
        if rule:
            return self._told(digest, rule)
        (finding,) = self.screen([picture], [plain])
        return finding

    def _finding(self, picture: Picture, finding: Finding) -> Finding:
        rule = self._known_bytes(picture.rgb) or _unless_broken(lambda: self._near(_image(picture)))
        if rule == UNREADABLE_RULE:
            told = {"decision": "block", "category": DAMAGED, "score": 1.0, "rule": rule}
            return msgspec.structs.replace(finding, **told)
        return self._told(finding.sha256, rule) if rule else finding

    def _told(self, digest: str, rule: str) -> Finding:
        if not rule:
            return Finding(digest, Decision.ALLOW.value, "none", 0.0, "", self.version)
        return Finding(digest, Decision.BLOCK.value, KNOWN, 1.0, rule, self.version)

    def _known_image(self, image: Image.Image) -> str:
        return self._known_bytes(image.tobytes()) or self._near(image)

    def _known_bytes(self, data: bytes) -> str:
        """The rule, or "" for what is not listed."""
        if hashlib.sha256(data).hexdigest() in self._exact:
            return f"{RULE}:sha256"
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return f"{RULE}:md5" if md5 in self._exact else ""

    def _near(self, image: Image.Image) -> str:
        if not len(self._pdq):
            return ""
        farthest = min((self._distance(one) for one in fingerprints(image)), default=256)
        return f"{RULE}:pdq" if farthest <= FARTHEST else ""

    def _distance(self, fingerprint: Bits) -> int:
        return int(np.bitwise_count(self._pdq ^ fingerprint).sum(axis=1, dtype=np.int32).min())


def fingerprints(image: Image.Image) -> list[Bits]:
    """PDQ of the picture, turned by each quarter and mirrored; none where it shows too little.

    Each is hashed for itself: what PDQ derives from one hash alone is off by up to 50 bits.
    """
    import pdqhash  # an extra

    small = image.copy()
    small.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    pixels = np.asarray(small)
    turned = [np.rot90(pixels, quarters) for quarters in range(4)]
    hashed = [
        pdqhash.compute(np.ascontiguousarray(one))
        for way in turned
        for one in (way, np.fliplr(way))
    ]
    return [
        np.packbits(bits.astype(np.uint8)) for bits, quality in hashed if quality >= LEAST_QUALITY
    ]


def read_list(path: Path) -> list[KnownHash]:
    """Lines `algorithm,digest[,category][,note]`, or a SHA-256 alone; # begins a comment.

    Fault when the file is missing or a line is no hash: a list half read protects nobody.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault("hash_list_unreadable", f"The hash list {path} cannot be read.") from error
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return [_row(line, path) for line in lines if line and not _is_heading(line)]


def _row(line: str, path: Path) -> KnownHash:
    fields = [field.strip().lower() for field in line.split(",")]
    algorithm, digest = ("sha256", fields[0]) if len(fields) == 1 else fields[:2]
    row = KnownHash(algorithm.replace("-", ""), digest)
    try:
        _checked(row)
    except Fault:
        sentence = f"The hash list {path} holds {line[:20]!r}: no hash that Pictor knows."
        raise Fault("hash_list_unreadable", sentence) from None
    return row


def _is_heading(line: str) -> bool:
    return line.partition(",")[0].strip().lower() in ("algorithm", "algo", "type")


def _checked(row: Row) -> str:
    digest = row.digest.lower()
    if len(digest) != DIGITS.get(row.algorithm) or set(digest) - set("0123456789abcdef"):
        sentence = f"A list of hashes holds {row.algorithm[:10]} {digest[:20]!r}, which is none."
        raise Fault("hash_list_unreadable", sentence)
    return digest


def _image(picture: Picture) -> Image.Image:
    return Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)


def _opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data), formats=FORMATS)
    if image.width * image.height > MOST_PIXELS:
        raise ValueError("too large to be looked at")
    return image.convert("RGB")


def _unless_broken(look: Callable[[], str]) -> str:
    """The rule for what cannot be looked at, whatever the library's reason."""
    try:
        return look()
    except Exception:
        return UNREADABLE_RULE
