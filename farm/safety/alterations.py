"""What was done to a picture since it was delivered, in sentences. Pure."""

from collections.abc import Iterator
from uuid import UUID

from farm.safety.examination import Examination
from farm.safety.looks import distance
from farm.safety.manifests import State
from farm.safety.watermark import code_of
from shared.fingerprints import Made

SLACK = 0.02  # of a side: what rounding and a reader's own error make
MARKED_AT = 1024  # pixels: a larger picture's mark is as much coarser


def told(seen: Examination, made: Made | None, *, found_file: bool, asked: bool) -> Iterator[str]:
    """`made` is the picture that it was, `found_file` whether it is that file byte for byte."""
    if found_file:
        yield "Nothing: byte for byte the file that was delivered."
        return
    yield from _about_manifest(seen, made, asked=asked)
    if made is not None:
        yield from _about_file(seen, made)
        yield from _about_size(seen, made)
        yield from _about_pixels(seen, made)


def _about_manifest(seen: Examination, made: Made | None, *, asked: bool) -> Iterator[str]:
    manifest = seen.manifest
    match manifest.state:
        case State.OURS if asked and made is not None:
            yield "Bytes that the signature does not cover (padding) are not as they were delivered."
        case State.OURS:
            yield "Nothing that the signature covers."
        case State.ALTERED if _of_another(seen, made):
            yield "The manifest of another picture was put on it."
        case State.ALTERED:
            yield "It was edited after it was signed: one pixel or one word of its metadata is enough."
        case State.ABSENT:
            yield "Its manifest was taken off: the metadata were stripped, or it was saved again."
        case State.FOREIGN:
            yield "Somebody else has signed it since."
        case _:
            yield "Its manifest was damaged."


def _of_another(seen: Examination, made: Made | None) -> bool:
    claimed = seen.manifest.job
    if not claimed:
        return False
    if made is not None:
        return str(made.job_id) != claimed
    return seen.mark is not None and code_of(UUID(claimed)) != seen.mark.code


def _about_file(seen: Examination, made: Made) -> Iterator[str]:
    if seen.mime != made.mime:
        was, now = (mime.removeprefix("image/").upper() for mime in (made.mime, seen.mime))
        yield f"It was saved as {now}; it was delivered as {was}."
    elif seen.manifest.state is State.ABSENT:
        yield "It was saved again in the same format."


def _about_size(seen: Examination, made: Made) -> Iterator[str]:
    size, was = (seen.width, seen.height), (made.width, made.height)
    if size == was:
        return
    scale = _scale(seen, made)
    whole = [round(side * scale) for side in was]
    resized = abs(scale - 1) > SLACK
    if resized:
        yield f"It was resized to {scale:.0%} of its size."
    if any(abs(now - then) > max(2, SLACK * then) for now, then in zip(size, whole, strict=True)):
        yield f"It was cropped: {_by(size)} pixels are left of {_by(tuple(whole))}."
    elif not resized:
        yield f"It is {_by(size)} pixels; it was delivered with {_by(was)}."


def _scale(seen: Examination, made: Made) -> float:
    """As the mark tells; without one, as the sides do if both tell the same."""
    if seen.mark is not None:
        return seen.mark.scale / max(1.0, min(made.width, made.height) / MARKED_AT)
    across, down = seen.width / made.width, seen.height / made.height
    return (across + down) / 2 if abs(across - down) <= SLACK else 1.0


def _about_pixels(seen: Examination, made: Made) -> Iterator[str]:
    if made.looks is None:
        return
    apart = distance(made.looks, seen.looks)
    if apart == 0 and (seen.width, seen.height) == (made.width, made.height):
        yield "It looks as it did."


def _by(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))
