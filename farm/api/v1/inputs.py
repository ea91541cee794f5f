"""What a request asks for, and the ask that it becomes at the desk."""

import json
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator, Field, StringConstraints

from farm.api.principals import Principal
from farm.api.v1.fields import Link, Words, storable
from farm.api.v1.parameters import Parameters
from farm.api.v1.watching import Watched
from shared.orders import Ask

MOST_IMAGES = 5
Label = Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(storable)]
Told = Annotated[str, StringConstraints(max_length=500), AfterValidator(storable)]
Metadata = Annotated[dict[Label, Told], Field(max_length=16)]


class JobInput(Parameters, Watched):
    """A prompt, with `--` parameters in it or beside it as fields."""

    prompt: Words = Field(default="", examples=["a red sailboat --ar 3:2"])
    images: list[Link] = Field(
        default_factory=list,
        max_length=MOST_IMAGES,
        examples=[[]],
        description="Pictures to start from, by links.",
    )
    confirmed: bool = Field(
        default=False, description="You know that it makes many jobs, and what they cost."
    )
    reuse: bool = Field(
        default=False,
        description="Pictures that you had of the same recipe are as good: they come at once, and free.",
    )
    metadata: Metadata = Field(
        default_factory=dict, examples=[{"order": "17"}], description="Told back with the job."
    )

    def text(self) -> str:
        return " ".join(part for part in (self.prompt, self.typed()) if part)


def ask_of(
    who: Principal, asked: JobInput, key: str, *, cancel_after_s: float | None = None
) -> Ask:
    return Ask(
        "imagine",
        who.person,
        who.venue,
        key,
        None,
        text=asked.text(),
        images=tuple(asked.images),
        confirmed=asked.confirmed,
        reuse=asked.reuse,
        cancel_after_s=cancel_after_s,
        memo=memo_of(asked.metadata),
        hook=asked.hook(),
    )


def memo_of(metadata: dict[str, str]) -> str:
    return json.dumps(metadata, sort_keys=True, ensure_ascii=False) if metadata else ""


def key_of(who: Principal, idempotency_key: str | None) -> str:
    """Of the submission: this account's alone. Without one of theirs, one that nobody asks with again."""
    return f"api:{who.holder.key.account_id}:{idempotency_key or uuid4()}"
