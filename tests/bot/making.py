"""Jobs as the rows would give them, for tests of what people read."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bot.messages import Painter
from shared.jobs import Job, JobKind, JobState
from shared.plans import Speed
from shared.spec import RenderSpec, WeightedText
from shared.storage import LocalStore

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
JOB_ID = UUID("0123456789abcdef0123456789abcdef")
PARENT_ID = UUID("fedcba9876543210fedcba9876543210")
NOWHERE = LocalStore(Path("/nonexistent"), "https://cdn.example")
PAINTER = Painter(lambda key: f"https://cdn.example/{key}", lambda _: "Postcards")


@dataclass(frozen=True)
class Shown:
    kind: str
    index: int
    key: str


def make_spec(**changes: Any) -> RenderSpec:
    fields: dict[str, Any] = {
        "checkpoint": "postcards",
        "texts": (WeightedText("a red sailboat"),),
        "negative": "",
        "width": 64,
        "height": 64,
        "steps": 12,
        "guidance": 4.0,
        "sampler": "dpm++2m-karras",
        "seed": 7,
        "images": 4,
        "scale": 8,
    }
    return RenderSpec(**(fields | changes))


def make_job(state: JobState = JobState.WAITING, **changes: Any) -> Job:
    fields: dict[str, Any] = {
        "id": JOB_ID,
        "account_id": UUID(int=1),
        "plan": "free",
        "kind": JobKind.IMAGINE,
        "state": state,
        "speed": Speed.FAST,
        "prompt": "a red sailboat --seed 7",
        "spec": make_spec(),
        "submission_key": "1",
        "estimate_ms": 3000,
        "attempt": 0 if state is JobState.WAITING else 1,
        "crashes": 0,
        "submitted_at": NOON,
        "finished_at": NOON + timedelta(seconds=4.2) if state.terminal else None,
        "charged_ms": 1900 if state is JobState.SUCCEEDED else None,
    }
    return Job(**(fields | changes))
