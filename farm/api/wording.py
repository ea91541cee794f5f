"""The kinds of text that requests bring."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints


def _storable(text: str) -> str:
    """Postgres keeps every character but this one."""
    if "\0" in text:
        raise ValueError("This holds a NUL character. Leave it out.")
    return text


_NO_NUL = Field(json_schema_extra={"pattern": "^[^\\x00]*$"})
# Any text; give it a `max_length` of its own where it is less than a prompt's.
Words = Annotated[str, StringConstraints(max_length=8_000), AfterValidator(_storable), _NO_NUL]
# The name of something: short, and on one line.
Name = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
