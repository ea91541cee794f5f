"""What clients of AI Horde's are told."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

NOBODY = UUID(int=0)  # who draws here has no number of its own


class HordeWrong(BaseModel):
    """`rc` is stable."""

    message: str = Field(examples=["There is no such job here."])
    rc: str = Field(examples=["RequestNotFound"])


class Submitted(BaseModel):
    """`kudos` are the GPU-seconds that it may cost, at most. A dry run has no id."""

    id: UUID | None = None
    kudos: float = Field(examples=[3.0])
    message: str | None = Field(default=None, examples=[None])


class Check(BaseModel):
    """Counts of pictures. `done`: they are there; `faulted`: there will be none."""

    finished: int = Field(examples=[1])
    processing: int = Field(examples=[0])
    restarted: int = 0
    waiting: int = Field(examples=[0])
    done: bool
    faulted: bool
    wait_time: int = Field(
        examples=[0], description="Seconds until it is done, as far as is known."
    )
    queue_position: int = Field(examples=[0], description="From 1; 0 when it does not wait.")
    kudos: float = Field(examples=[2.2])
    is_possible: bool = True


class HordeGeneration(BaseModel):
    """A picture: a link, or base64 where the request said `r2` false."""

    img: str = Field(examples=["http://127.0.0.1:8701/assets/0b6c/1/5f3a-0.png"])
    seed: str = Field(examples=["7"])
    id: UUID
    censored: bool = False
    model: str = Field(examples=["postcards"])
    state: Literal["ok"] = "ok"
    worker_id: UUID = NOBODY
    worker_name: str = Field(default="pictor", examples=["pictor"])
    gen_metadata: list[dict[str, str]] = Field(default_factory=list)


class HordeStatus(Check):
    generations: list[HordeGeneration]
    shared: bool = False
    message: str | None = Field(default=None, examples=[None], description="Why it is faulted.")


class HordeModel(BaseModel):
    name: str = Field(examples=["postcards"])
    count: int = Field(examples=[1], description="Workers that have it at hand.")
    performance: float = Field(default=0.0, examples=[0.0], description="Not told here.")
    queued: float = Field(examples=[0.0], description="Jobs that wait, of all models.")
    jobs: float = Field(examples=[0.0])
    eta: int = Field(
        default=0, examples=[0], description="Not told here; a job's own check tells it."
    )
    type: Literal["image"] = "image"


class User(BaseModel):
    """`kudos` are GPU-seconds that are left."""

    username: str = Field(examples=["Ada"])
    id: str = Field(examples=["0197f3a2-6a1b-7c44-9d3e-1f2a3b4c5d6e"])
    kudos: float = Field(examples=[7200.0])
    concurrency: int = Field(examples=[1])


class Heartbeat(BaseModel):
    message: str = Field(default="OK", examples=["OK"])
    version: str = Field(default="pictor", examples=["pictor"])
