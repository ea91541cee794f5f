"""What Pictor says about a picture that somebody holds. Pure."""

import msgspec

INBOX = "inbox/"  # in the store: pictures that were sent in, until they are answered


class Sign(msgspec.Struct, frozen=True):
    """One of the three: whether it speaks for us, and in words."""

    holds: bool
    words: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`origin` is proven, marked, alike or unknown. `job`, `owner` (a Discord id) and `guild` are for those
    who may know; `picture` counts from 0, -1 is the grid; `changes` are sentences."""

    origin: str
    headline: str
    manifest: Sign
    watermark: Sign
    looks: Sign
    changes: tuple[str, ...] = ()
    made_at: str | None = None
    job: str | None = None
    picture: int | None = None
    owner: str | None = None
    guild: str | None = None

    def for_strangers(self) -> "Answer":
        return msgspec.structs.replace(self, job=None, picture=None, owner=None, guild=None)
