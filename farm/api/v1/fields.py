"""Kinds of text that requests bring: what Postgres cannot keep is refused at the door."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

LONGEST_PICTURE = 14 * 2**20  # signs of ten megabytes, as base64


def storable(text: str) -> str:
    """ValueError for a NUL byte or half of a surrogate pair, which no database keeps as text."""
    if "\x00" in text or any("\ud800" <= mark <= "\udfff" for mark in text):
        raise ValueError("may hold no NUL byte and no lone surrogate")
    return text


Words = Annotated[str, StringConstraints(max_length=8_000), AfterValidator(storable)]
Line = Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)]
Link = Annotated[str, StringConstraints(max_length=2_048), AfterValidator(storable)]
Picture = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_PICTURE),
    AfterValidator(storable),
    Field(
        description="A link (https), the `url` of an upload, or a data URI with base64.",
        examples=["https://example.com/boat.png"],
    ),
]
