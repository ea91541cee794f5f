"""What crosses the front desk: who asks for what, what it answers, and the order in between."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from shared.access import Question
from shared.accounts import Account
from shared.errors import Refusal
from shared.intake import Upload
from shared.jobs import Job, JobKind, JobState, Route, Visibility
from shared.ledger import Balance
from shared.plans import Plan, Speed
from shared.safety.screen import sentence_for
from shared.safety.verdict import Decision, Verdict
from shared.spec import RenderSpec
from shared.waits import Outlook

LIFTED = "lifted:"  # the rule of a verdict that a moderator gave
MOST_PICTURES = 10  # of one job, for a door that shows no grid
REGION_GRID = 5  # a picture whose region is tapped has so many rows and columns of cells


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. `plan` comes from what the door knows of them (a role in the guild); `roles` are the ids of
    theirs on the server where they ask."""

    discord_id: str
    name: str
    plan: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Venue:
    """Where it was asked for: a server's own rules hold there. `age_restricted` is the channel's mark, and
    `parent_id` the channel that a thread belongs to."""

    guild_id: str | None = None
    channel_id: str | None = None
    age_restricted: bool = False
    parent_id: str | None = None


NOWHERE = Venue()
# Of an ask, not what is asked.
_AROUND = frozenset({"person", "venue", "key", "route", "confirmed"})
# What no ask had once: where nothing is said of it, an ask is told as it was then.
_LATER = {
    "hook": None,
    "reuse": False,
    "cancel_after_s": None,
    "memo": "",
    "pictures": 0,
    "mask": "",
}


@dataclass(frozen=True, slots=True)
class Submission:
    """`key` names this submission for ever: the same key gives the same jobs. No route: nobody is told.

    `images` are links of attachments; they stand before those in the text. `confirmed`: whoever asks has
    seen how many jobs it makes and what they cost.
    """

    text: str
    person: Person
    route: Route | None
    key: str
    speed: Speed | None = None
    venue: Venue = NOWHERE
    images: tuple[str, ...] = ()
    confirmed: bool = False
    visibility: Visibility | None = None

    def ask(self) -> "Ask":
        return Ask(
            "imagine",
            self.person,
            self.venue,
            self.key,
            self.route,
            text=self.text,
            speed=self.speed,
            images=self.images,
            visibility=self.visibility,
            confirmed=self.confirmed,
        )


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that is told of this one ask's jobs. `dialect`: pictor, or mj for the proxy's form."""

    url: str
    events: tuple[str, ...]
    dialect: str = "pictor"


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody asked the desk for: a text, or what a button makes of a job. Can be written down
    and asked again.

    `text` of a verb but imagine and blend are new words for it (remix). `manner`: vary subtle or strong;
    upscale plain (empty), subtle or creative; pan left, right, up or down. `factor` is of a zoom. A region is
    its `cells`, counted from 0 by rows of a grid of REGION_GRID x REGION_GRID, or is named in `words`, or is
    white in a picture (`mask`, a link). With one of these, imagine redraws that part of its one image. To
    enlarge one subtle or creative needs an image too.
    `images` are links of attachments, before those in the text. A blend's manner is the shape of its
    pictures: square (or empty), portrait or landscape.

    `reuse`: pictures that the same recipe gave this account before are as good; no seed that chance draws
    stands in the way. What is not finished
    `cancel_after_s` seconds after it was accepted is cancelled. `memo` is told back with the jobs. `pictures`
    is how many a job of an imagine or a blend makes, 1 to MOST_PICTURES; 0 is as many as a grid has.
    """

    verb: str  # imagine, enlarge, vary, upscale, reroll, zoom, pan, square, region, blend
    person: Person
    venue: Venue
    key: str
    route: Route | None
    text: str = ""
    speed: Speed | None = None
    job_id: UUID | None = None
    index: int = 0
    manner: str = ""
    factor: float = 0.0
    cells: tuple[int, ...] = ()
    words: str = ""
    images: tuple[str, ...] = ()
    visibility: Visibility | None = None
    confirmed: bool = False
    hook: Hook | None = None
    reuse: bool = False
    cancel_after_s: float | None = None
    memo: str = ""
    pictures: int = 0
    mask: str = ""

    @property
    def redraws(self) -> bool:
        """Only a part of a picture."""
        return bool(self.mask or self.cells or self.words.strip())

    def tapped(self, cell: int) -> "Ask":
        """With this cell of the region in it, or out of it again."""
        cells = set(self.cells) ^ {cell}
        return replace(self, cells=tuple(sorted(cells)))

    @property
    def seed(self) -> int:
        """Of what is drawn, so that the same words and pictures are the same recipe when none is said."""
        what = (self.verb, self.text, self.job_id, self.index, self.manner, self.factor)
        drawn = msgspec.json.encode((*what, self.cells, self.words, self.images, self.mask))
        return int.from_bytes(hashlib.sha256(drawn).digest()[:4])

    def sha256(self) -> str:
        """Of what is asked for: the same again has the same, wherever and whenever it is asked."""
        told = msgspec.to_builtins(self)
        what = {name: value for name, value in told.items() if name not in _AROUND}
        what = {name: value for name, value in what.items() if not _as_before(name, value)}
        return hashlib.sha256(msgspec.json.encode(what, order="sorted")).hexdigest()

    def told(self) -> dict[str, Any]:
        """Without the token that edits a message: it outlives no case."""
        kept = self if self.route is None else replace(self, route=replace(self.route, token=None))
        built: dict[str, Any] = msgspec.to_builtins(kept)
        return built

    @classmethod
    def again(cls, told: Mapping[str, Any], key: str) -> "Ask":
        """Asked once more under another key; the answer gets a message of its own."""
        ask = msgspec.convert(told, cls)
        fresh = None if ask.route is None else replace(ask.route, message_id="", token=None)
        return replace(ask, key=key, route=fresh)


def _as_before(name: str, value: Any) -> bool:
    return name in _LATER and value == _LATER[name]


@dataclass(frozen=True, slots=True)
class Quote:
    """What an ask would make and hold, if it was confirmed now: `price_ms` is the most that all its jobs
    together may cost. `prompts` are the words of each."""

    prompts: tuple[str, ...]
    price_ms: int
    speed: Speed
    available_ms: int

    @property
    def jobs(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What words would make, nobody having asked for it: `specs` are the recipes of its jobs."""

    quote: Quote
    specs: tuple[RenderSpec, ...]
    notices: tuple[str, ...]
    confirm: bool


class Unconfirmed(Refusal):
    """So many jobs want a word first: `quote` says what they are, and the same ask with `confirmed` set
    makes them."""

    def __init__(self, quote: Quote) -> None:
        sentence = f"This makes {quote.jobs} jobs. Look at the price and confirm it."
        super().__init__("unconfirmed", sentence, field="prompt")
        self.quote = quote


class PromptBlocked(Refusal):
    """`case_id` is where an appeal goes; None where there is none (`hard`, or our own failure)."""

    def __init__(self, verdict: Verdict, *, case_id: UUID | None) -> None:
        super().__init__("prompt_blocked", sentence_for(verdict), field="prompt")
        self.verdict = verdict
        self.case_id = case_id


@dataclass(frozen=True, slots=True)
class Receipt:
    """`created` is False for a repeat, which gives the jobs of the first time; `reused`: the recipe had
    been drawn before, and nothing is charged."""

    jobs: tuple[Job, ...]
    created: bool
    notices: tuple[str, ...] = ()
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Info:
    """`counts` are all jobs of the account by state."""

    account: Account
    plan: Plan
    balance: Balance
    running: int
    waiting: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Prospects:
    """What of an account is not finished, the oldest first; `outlooks` by job, None when nobody tells."""

    jobs: tuple[Job, ...]
    plan: Plan
    outlooks: Mapping[UUID, Outlook] | None

    def outlook(self, job: Job) -> Outlook | None:
        return (self.outlooks or {}).get(job.id)

    @property
    def waiting(self) -> int:
        return sum(job.state is JobState.WAITING for job in self.jobs)

    @property
    def running(self) -> int:
        """A dispatched job counts: its turn has come."""
        return len(self.jobs) - self.waiting

    @property
    def next_start_s(self) -> float | None:
        """Seconds until the first of those that wait gets a GPU."""
        known = (one.start_s for one in (self.outlooks or {}).values() if one.start_s is not None)
        return min(known, default=None)


@dataclass(frozen=True, slots=True)
class Piece:
    """One job of an order: its words, its recipe, and what the screen said of them. No speed: the account's
    usual one."""

    text: str
    spec: RenderSpec
    verdict: Verdict
    speed: Speed | None = None
    visibility: Visibility = Visibility.PUBLIC

    @property
    def strict(self) -> bool:
        """From the grey zone, or let through by a person: the pictures are judged strictly."""
        return self.verdict.decision is Decision.REVIEW or self.verdict.rule.startswith(LIFTED)


@dataclass(frozen=True, slots=True)
class Order:
    """An ask that passed everything that needs no lock: what it makes, on whose plan, within which rules."""

    ask: Ask
    kind: JobKind
    pieces: tuple[Piece, ...]
    question: Question
    plan: Plan
    manner: str = ""
    parent_id: UUID | None = None
    parent_index: int | None = None
    notices: tuple[str, ...] = ()
    uploads: tuple[Upload, ...] = ()

    def keys(self) -> list[str]:
        return keys_of(self.ask.key, len(self.pieces))


def keys_of(key: str, jobs: int) -> list[str]:
    """Of each job that is asked for with this key."""
    return [key, *(f"{key}:{copy}" for copy in range(1, jobs))]
