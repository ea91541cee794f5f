"""The words of each event, as clients get them: what was told, and at the end the prediction itself."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, RootModel

from farm.api.services import Services
from farm.api.told import Told
from farm.api.v1.predictions import STATUS, Prediction, Status, prediction
from shared.jobs import JobState
from shared.orders import Person


class Event(BaseModel):
    """`event_id` is where to go on from: send the last one as `Last-Event-ID` or `?after=`."""

    event_id: str = Field(examples=["812.12"])
    job_id: UUID


class StateEvent(Event):
    """The job moved on. `attempt` is one more each time a GPU takes it."""

    type: Literal["state"] = "state"
    state: JobState = Field(examples=["running"])
    status: Status = Field(examples=["processing"])
    attempt: int = Field(examples=[1])
    at: datetime


class QueueEvent(Event):
    """Where it stands while it waits; null where nobody can say."""

    type: Literal["queue"] = "queue"
    position: int | None = Field(examples=[3])
    start_s: float | None = Field(examples=[10.0])
    eta_s: float | None = Field(examples=[14.0])
    eta_low_s: float | None = Field(examples=[12.0])
    eta_high_s: float | None = Field(examples=[18.0])
    reason: str | None = Field(examples=["All GPUs are busy."])


class ProgressEvent(Event):
    """`reason` says why it stands still, where it does."""

    type: Literal["progress"] = "progress"
    progress: float = Field(examples=[0.45])
    step: int = Field(examples=[12])
    steps: int = Field(examples=[25])
    steps_per_s: float = Field(examples=[9.8])
    eta_s: float | None = Field(examples=[1.3])
    reason: str | None = None


class PreviewEvent(Event):
    """A rough picture that passed the filter; its `url` is gone once the job has ended."""

    type: Literal["preview"] = "preview"
    step: int = Field(examples=[8])
    url: str = Field(examples=["http://127.0.0.1:8701/assets/0b6c/preview.webp"])


class ResultEvent(Event, Prediction):
    """It succeeded: the whole prediction. Nothing follows."""

    type: Literal["result"] = "result"


class ErrorEvent(Event, Prediction):
    """It failed, was blocked or was cancelled: why, and the whole prediction. Nothing follows."""

    type: Literal["error"] = "error"
    message: str = Field(examples=["This job was cancelled. Nothing was charged."])
    code: str | None = Field(examples=["cancelled"])


class Events(
    RootModel[StateEvent | QueueEvent | ProgressEvent | PreviewEvent | ResultEvent | ErrorEvent]
):
    """One event of a job, told apart by `type`."""


async def words(services: Services, person: Person, told: Told) -> dict[str, Any]:
    """A Fault while what happened at the end cannot be read: then it was not told, and can be asked again."""
    if told.ends:
        return await _end(services, person, told)
    data = dict(told.data)
    if told.type == "state":
        data["status"] = STATUS[JobState(data["state"])]
    if told.type == "preview":
        data["url"] = services.store.url(data.pop("key"))
    return _head(told, told.type) | data


async def _end(services: Services, person: Person, told: Told) -> dict[str, Any]:
    job = await services.desk.job(person, told.job_id)
    whole = (await prediction(services, job)).model_dump(mode="json")
    if job.state is JobState.SUCCEEDED:
        return _head(told, "result") | whole
    said = job.error_sentence or "This job was cancelled. Nothing was charged."
    return _head(told, "error") | whole | {"message": said, "code": job.error_code or job.state}


def _head(told: Told, kind: str) -> dict[str, Any]:
    return {"type": kind, "event_id": told.id, "job_id": str(told.job_id)}
