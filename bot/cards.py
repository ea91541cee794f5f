"""A message before Discord: text, panel, buttons. Pure, and comparable: equal cards need no edit."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from uuid import UUID

CONTENT_LIMIT = 2_000  # Discord's, for a message's text
PANEL_LIMIT = 4_096  # Discord's, for an embed's description
UPLOADED = "attachment://picture.webp"  # how an embed names a file of its own message


class Colour(IntEnum):
    WAITING = 0x4E5058
    RUNNING = 0x5865F2
    DONE = 0x3BA55D
    STOPPED = 0xFEE75C
    FAILED = 0xED4245


class Look(StrEnum):
    PLAIN = "secondary"
    DANGER = "danger"
    LINK = "link"


class Action(StrEnum):
    UPSCALE = "upscale"
    VARY = "vary"
    REROLL = "reroll"
    CANCEL = "cancel"


def custom_id(action: Action, job_id: UUID, index: int = 0) -> str:
    return f"pictor:1:{action}:{job_id.hex}:{index}"


@dataclass(frozen=True, slots=True)
class Knob:
    """One button: either it carries a custom id, or it opens a link."""

    label: str = ""
    target: str = ""
    look: Look = Look.PLAIN
    emoji: str = ""


Rows = tuple[tuple[Knob, ...], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    text: str
    colour: Colour
    title: str = ""
    image: str = ""
    footer: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that one message shows. `final` is never followed by another card.

    `upload` is the storage key of a picture that travels with the message; the panel then shows UPLOADED.
    """

    content: str = ""
    panel: Panel | None = None
    rows: Rows = ()
    final: bool = False
    upload: str = ""
