"""Tensors from strangers: a safetensors file is read only once every byte of it is accounted for."""

import hashlib
import json
import math
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from shared.errors import Fault, Refusal

SIZES = {"F16": 2, "BF16": 2, "F32": 4}  # bytes of one number, of the kinds that are read
LENGTH = struct.Struct("<Q")
# Sentences name tensors and converters match them: no name may surprise either.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,255}")
DESCRIPTION = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True, slots=True)
class Limits:
    """The format's own limit of a header is 100 MB: enough to fill a machine's memory with names."""

    size: int = 2 << 30  # bytes, of the whole file
    header: int = 1 << 20
    tensors: int = 10_000
    dims: int = 4


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class TensorFile:
    """`sha256` is of the file's bytes; every number in `tensors` is finite."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


def read(path: Path, limits: Limits = LIMITS) -> TensorFile:
    """Refusal `bad_tensor_file` for whatever is not plainly a safetensors file of finite numbers."""
    return parse(_read_bytes(path, limits), limits)


def parse(raw: bytes, limits: Limits = LIMITS) -> TensorFile:
    """The same of bytes that are at hand."""
    header, data_size = _split(raw, limits)
    metadata = _checked_metadata(header.pop("__metadata__", {}))
    _check_tensors(header, data_size, limits=limits)
    try:
        tensors = safetensors.torch.load(raw)
    except SafetensorError as error:
        raise _bad("It cannot be read. Export it again as .safetensors.") from error
    _check_finite(tensors)
    return TensorFile(tensors, metadata, hashlib.sha256(raw).hexdigest())


def _bad(sentence: str) -> Refusal:
    return Refusal("bad_tensor_file", f"This file cannot be used. {sentence}")


def _read_bytes(path: Path, limits: Limits) -> bytes:
    if path.suffix != ".safetensors":
        raise _bad("Only .safetensors files are taken. Export it again in that format.")
    if not path.is_file():
        raise Fault("weights_missing", f"There is no file of weights at {path}.")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > limits.size:
            raise _bad(f"It is larger than {limits.size >> 20} MB. Save it with a lower rank.")
        return file.read(limits.size)


# --- header ----------------------------------------------------------------------------------


def _split(raw: bytes, limits: Limits) -> tuple[dict[str, Any], int]:
    """The parsed header, and the size in bytes of the data that follows it."""
    if len(raw) < LENGTH.size:
        raise _bad("It is too short to be a safetensors file.")
    length: int = LENGTH.unpack_from(raw)[0]
    start, end = LENGTH.size, LENGTH.size + length
    if length > limits.header or not raw.startswith(b"{", start):
        raise _bad("It is not a safetensors file, or its header is too large.")
    if end > len(raw):
        raise _bad("It ends within its header. Upload it again.")
    return _parse(raw[start:end]), len(raw) - end


def _parse(text: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(text.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _bad("Its header is not plain JSON. Export it again as .safetensors.") from error
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears twice")
    return found


def _checked_metadata(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _bad("Its metadata is not plain text. Export it again as .safetensors.")
    return metadata


# --- tensors ---------------------------------------------------------------------------------


def _check_tensors(header: Mapping[str, Any], data_size: int, *, limits: Limits) -> None:
    if not 0 < len(header) <= limits.tensors:
        raise _bad(f"It holds {len(header)} tensors; 1 to {limits.tensors} can be read.")
    if not all(NAME.fullmatch(name) for name in header):
        raise _bad("A tensor's name holds signs other than letters, digits, '.', '_' and '-'.")
    free = 0
    for begin, end, name in sorted(_spans(header, limits)):
        if begin != free:
            raise _bad(f"The bytes of {name} overlap another tensor's, or leave a gap.")
        free = end
    if free != data_size:
        raise _bad("It is shorter or longer than its header says. Upload it again.")


def _spans(header: Mapping[str, Any], limits: Limits) -> Iterator[tuple[int, int, str]]:
    for name, about in header.items():
        if not isinstance(about, dict) or about.keys() != DESCRIPTION:
            raise _bad(f"The header does not describe {name} as the format wants it.")
        dtype, shape, offsets = about["dtype"], about["shape"], about["data_offsets"]
        if not isinstance(dtype, str) or dtype not in SIZES:
            raise _bad(
                f"{name} is of another kind than {', '.join(SIZES)}. Save it as one of these."
            )
        if not _are_counts(shape) or len(shape) > limits.dims or 0 in shape:
            raise _bad(f"{name} has a shape that no layer has.")
        if not _are_counts(offsets) or len(offsets) != 2:
            raise _bad(f"The header does not say where {name} lies.")
        if offsets[1] - offsets[0] != math.prod(shape) * SIZES[dtype]:
            raise _bad(f"{name} does not have as many bytes as its shape needs.")
        yield offsets[0], offsets[1], name


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(type(one) is int and one >= 0 for one in values)


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise _bad(f"{name} holds values that are no numbers (NaN or infinity).")
