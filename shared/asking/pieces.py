"""The pieces of an order, as they are told and kept. Pure."""

from collections.abc import Sequence

from shared.asking.parents import Parent
from shared.asking.reading import Reading, Wording
from shared.catalog import Size
from shared.intake import Taken
from shared.jobs import JobKind
from shared.orders import Order, Piece
from shared.prompt import with_codes
from shared.safety.verdict import Verdict
from shared.sizes import fits
from shared.spec import RenderKind, RenderSpec, Source
from shared.uploads import link_of, renamed

KEEPS_SHAPE = (
    "New words leave the shape of a picture as it is: --ar counts for /imagine and a reroll."
)


def piece_of(
    reading: Reading, wording: Wording, spec: RenderSpec, verdict: Verdict, taken: Taken
) -> Piece:
    speed = wording.prompt.speed or reading.ask.speed
    visibility = reading.visibility(wording.prompt)
    return Piece(kept_text(reading, wording, taken, spec), spec, verdict, speed, visibility)


def kept_text(reading: Reading, wording: Wording, taken: Taken, spec: RenderSpec) -> str:
    """The words as they are told and kept: with links to our copies, which do not die, and with the style
    codes that chance drew."""
    own = {link: link_of(taken[link].source.key) for link in (*reading.ask.images, *wording.links)}
    attached = (own[link] for link in reading.ask.images)
    text = with_codes(wording.text, wording.prompt, spec.style_codes)
    return " ".join((*attached, renamed(text, own)))


def order_of(
    reading: Reading,
    kind: JobKind,
    pieces: Sequence[Piece],
    taken: Taken,
    told: tuple[str, ...] = (),
    *,
    manner: str = "",
) -> Order:
    return Order(
        reading.ask,
        kind,
        tuple(pieces),
        reading.question,
        reading.plan,
        manner=manner,
        notices=told,
        uploads=tuple(taken.values()),
    )


def shape_notice(reading: Reading, parent: Parent) -> tuple[str, ...]:
    size = parent.job.spec.width, parent.job.spec.height
    aspects = [one.prompt.aspect for one in reading.wordings if one.prompt.aspect]
    reshaped = not all(fits(aspect, size) for aspect in aspects)
    free = reading.ask.verb == "reroll" and parent.job.spec.kind is RenderKind.TEXT
    return (KEEPS_SHAPE,) if reshaped and not free else ()


def blended_text(sources: Sequence[Source], shape: Size) -> str:
    named = " ".join(link_of(one.key) for one in sources)
    return named if shape == (1, 1) else f"{named} --ar {shape[0]}:{shape[1]}"
