"""A message before Discord: text, panel, buttons, forms. Pure, and comparable: equal cards need no edit."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from uuid import UUID

CONTENT_LIMIT = 2_000  # Discord's, for a message's text
PANEL_LIMIT = 4_096  # Discord's, for an embed's description
LAYOUT_LIMIT = 4_000  # Discord's, for all texts of a layout together
ALTERNATIVE_LIMIT = 1_024  # Discord's, for the words that say what a picture shows
ROWS_OF_AN_EMBED = 5  # Discord's, for buttons below one; a layout has more
UPLOADED = "attachment://picture.webp"  # how a message names a file of its own


class Colour(IntEnum):
    WAITING = 0x4E5058
    RUNNING = 0x5865F2
    DONE = 0x3BA55D
    STOPPED = 0xFEE75C
    FAILED = 0xED4245


class Look(StrEnum):
    PLAIN = "secondary"
    MAIN = "primary"
    GOOD = "success"
    DANGER = "danger"
    LINK = "link"
    PREMIUM = "premium"


class Action(StrEnum):
    """What a button or a form asks for. The first ones name a job, then come drafts, then cases."""

    UPSCALE = "upscale"  # U1 to U4
    VARY = "vary"  # V1 to V4, as the account likes them
    REROLL = "reroll"
    CANCEL = "cancel"
    SUBTLE = "subtle"
    STRONG = "strong"
    REGION = "region"
    FINER = "finer"  # Upscale (Subtle)
    CREATIVE = "creative"  # Upscale (Creative)
    ZOOM_LESS = "zoom15"
    ZOOM_MORE = "zoom20"
    ZOOM_CUSTOM = "zoom"
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"
    SQUARE = "square"
    FAVOURITE = "favourite"
    REMIX = "remix"  # a form: other words for the button that opened it
    CONFIRM = "confirm"  # a draft: go on with it
    DISCARD = "discard"
    CELL = "cell"  # a draft of a region: tap cell `index`
    WORDS = "words"  # a draft of a region: name it instead
    CLEAR = "clear"  # a draft of a region: no cell is tapped
    DRAW = "draw"  # a draft with several texts: draw text `index`
    REPORT = "report"
    APPEAL = "appeal"
    REVIEW = "review"
    REVEAL = "reveal"
    LIFT = "lift"
    UPHOLD = "uphold"
    NOTE = "note"
    WARN = "warn"
    STRIKE = "strike"
    BAN = "ban"
    NEXT = "next"
    FORGET = "forget"  # an account: its own
    SET = "set"  # what somebody prefers: setting `index`
    CHOOSE = "choose"  # the same by a menu
    HISTORY = "history"  # a page of somebody's jobs
    GALLERY = "gallery"  # a page of pictures: of gallery `index`
    TRIAL = "trial"  # an account: whose it is does not matter, it begins for whoever presses


FIRST_OF_CASES = Action.REPORT
DRAWING = frozenset(list(Action)[: list(Action).index(FIRST_OF_CASES)])


def custom_id(action: Action, subject: UUID, index: int = 0) -> str:
    return f"pictor:1:{action}:{subject.hex}:{index}"


@dataclass(frozen=True, slots=True)
class Knob:
    """One button: it carries a custom id, opens a link, or (premium) names a SKU that Discord sells; that
    one's label and price are Discord's."""

    label: str = ""
    target: str = ""
    look: Look = Look.PLAIN
    emoji: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Menu:
    """Takes a whole row: one of at most 25 options. `hint` stands there while none is chosen."""

    target: str
    hint: str
    options: tuple[Option, ...]


Rows = tuple[tuple[Knob, ...], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of several: `says` tells what it shows to who does not see it."""

    image: str
    says: str = ""
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Blank:
    """One thing to fill in: text, or with `choices` (value and label of each) one of them.

    `filled` stands in it already.
    """

    key: str
    label: str
    hint: str = ""
    filled: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    long: bool = False
    required: bool = True
    most: int = 1_000


@dataclass(frozen=True, slots=True)
class Form:
    """`target` is a custom id, as a button's: a form that is sent in after a restart still arrives."""

    title: str
    target: str
    blanks: tuple[Blank, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """`says` tells what the image shows to who does not see it; a `spoiler` is covered until it is tapped."""

    text: str
    colour: Colour
    title: str = ""
    image: str = ""
    footer: str = ""
    says: str = ""
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that one message shows; `menus` stand above the rows of buttons, `shown` are
    pictures below the panel, ten at most. `final` is never followed by another card.

    It can be shown as a layout (bot.layouts), or, where it is not `tall`, as an embed with buttons below.

    `upload` is the storage key of a picture that travels with the message; the panel then shows UPLOADED.
    Where it is too large to travel, it is to be found `elsewhere`, at that address.
    What `erases` takes a picture back: a message that cannot be edited any more is deleted for it.
    """

    content: str = ""
    panel: Panel | None = None
    rows: Rows = ()
    menus: tuple[Menu, ...] = ()
    shown: tuple[Shown, ...] = ()
    final: bool = False
    upload: str = ""
    elsewhere: str = ""
    erases: bool = False

    @property
    def tall(self) -> bool:
        """What an embed has no room for: more buttons, or words that say what its picture shows."""
        crowded = len(self.menus) + len(self.rows) > ROWS_OF_AN_EMBED
        return crowded or bool(self.shown) or bool(self.panel and self.panel.says)
