"""The number as 252 signs, and back: BCH(255, 91) mends 25 wrong signs, a keyed tag tells ours from chance.

A random word decodes with a chance of 2^-50, and its tag fits with one of 2^-21. A plain CRC would do as
much against chance; the keyed tag also stops who knows the layout, but not the key, from spelling a word.
"""

import hmac
from dataclasses import dataclass
from itertools import chain, combinations

import bchlib
import numpy as np
from numpy.typing import NDArray

MENDS = 25
MESSAGE_BITS, PARITY_BITS = 88, 164
LENGTH = MESSAGE_BITS + PARITY_BITS
CODE_BITS, INDEX_BITS, TAG_BITS = 64, 3, 21
# The least sure signs are tried both ways (Chase): eight of them mend about three more wrong signs.
DOUBTED = 8

Signs = NDArray[np.float64]


@dataclass(frozen=True)
class Message:
    code: int
    index: int
    corrected: int
    agreement: float  # of all evidence, how much speaks for this word: 0.5 is chance, 1 is all


def spell(code: int, index: int, *, key: bytes) -> Signs:
    """[252] of +1 and -1."""
    message = _message(code, index, key)
    parity = bytes(_bch().encode(message))
    bits = np.unpackbits(np.frombuffer(message + parity, np.uint8))[:LENGTH]
    return np.where(bits, -1.0, 1.0)


def decipher(evidence: NDArray[np.float64], *, key: bytes) -> Message | None:
    """`evidence` [252]: the sign is the bit, the size how sure it is. None: no word of this key is near."""
    hard = (evidence < 0).astype(np.uint8)
    doubted = np.argsort(np.abs(evidence))[:DOUBTED]
    bch = _bch()
    for turned in chain.from_iterable(combinations(doubted, n) for n in range(DOUBTED + 1)):
        bits = hard.copy()
        bits[list(turned)] ^= 1
        found = _mended(bch, bits)
        if found is not None and _is_ours(found, key):
            return _told(found, evidence, key)
    return None


def _mended(bch: bchlib.BCH, bits: NDArray[np.uint8]) -> int | None:
    packed = np.packbits(bits).tobytes().ljust(MESSAGE_BITS // 8 + bch.ecc_bytes, b"\0")
    message, parity = bytearray(packed[: MESSAGE_BITS // 8]), bytearray(packed[MESSAGE_BITS // 8 :])
    if bch.decode(message, parity) < 0:
        return None
    bch.correct(message, parity)
    return int.from_bytes(message)


def _told(found: int, evidence: NDArray[np.float64], key: bytes) -> Message:
    code, index = _parts(found)
    agreeing = spell(code, index, key=key) * evidence
    share = float(agreeing.clip(0).sum() / np.abs(evidence).sum())
    return Message(code, index, corrected=int((agreeing < 0).sum()), agreement=share)


def _parts(message: int) -> tuple[int, int]:
    return message >> (INDEX_BITS + TAG_BITS), message >> TAG_BITS & ((1 << INDEX_BITS) - 1)


def _is_ours(message: int, key: bytes) -> bool:
    return int.from_bytes(_message(*_parts(message), key)) == message


def _message(code: int, index: int, key: bytes) -> bytes:
    if not (0 <= code < 1 << CODE_BITS and 0 <= index < 1 << INDEX_BITS):
        raise ValueError(f"{code} or {index} does not fit {CODE_BITS} and {INDEX_BITS} bits")
    plain = code << INDEX_BITS | index
    digest = hmac.digest(key, b"watermark tag" + plain.to_bytes(9), "sha256")
    tag = int.from_bytes(digest[:4]) >> (32 - TAG_BITS)
    return (plain << TAG_BITS | tag).to_bytes(MESSAGE_BITS // 8)


def _bch() -> bchlib.BCH:
    """A fresh one each time: it keeps its scratch space inside, and threads would share it."""
    return bchlib.BCH(MENDS, m=8)
