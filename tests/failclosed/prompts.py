"""A front desk whose prompt screen breaks inside: it must refuse, and hold nothing."""

from typing import Any
from uuid import uuid4

import pytest

from shared.errors import Refusal
from shared.orders import Person, Submission
from tests.shared.desks import two_desks


class Broken:
    def extended(self, extra: Any) -> Any:
        raise RuntimeError("no automaton")


async def refused(settings: Any) -> None:
    """Refusal by the failed screen; AssertionError when the prompt was accepted."""
    async with two_desks(settings) as (desk, _):
        desk._screening._screen._lexicon = Broken()  # type: ignore[assignment]
        wanted = Submission("a red sailboat", Person("4711", "Ada", "paid"), None, uuid4().hex)
        with pytest.raises(Refusal, match="could not answer"):
            await desk.submit(wanted)
