"""What clients of the proxy's dialect are told: return codes, tasks, buttons."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Code(IntEnum):
    SUCCESS = 1
    NOT_FOUND = 3
    INVALID = 4
    FAILURE = 9
    EXISTED = 21
    QUEUED = 22
    QUEUE_FULL = 23
    BANNED = 24


class Status(StrEnum):
    NOT_START = "NOT_START"
    SUBMITTED = "SUBMITTED"
    MODAL = "MODAL"
    IN_PROGRESS = "IN_PROGRESS"
    FAILURE = "FAILURE"
    SUCCESS = "SUCCESS"


class Told(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class SubmitResult(Told):
    """`code` 1: submitted; 21: there already, or it waits for the words of a form; 22: in the queue; 3: no such
    task; 4: not possible like this; 9: our failure; 23: the queue is full; 24: the prompt was stopped."""

    code: int = Field(examples=[1])
    description: str = Field(examples=["Submitted."])
    result: str | None = Field(default=None, examples=["1320098173412546"])
    properties: Mapping[str, Any] = Field(default_factory=dict)


class Button(Told):
    custom_id: str = Field(examples=["MJ::JOB::upsample::1::0197f3a2-6a1b-7c44-9d3e-1f2a3b4c5d6e"])
    emoji: str = Field(default="", examples=["🔄"])
    label: str = Field(default="", examples=["U1"])
    style: int = 2
    type: int = 2


class ImageUrl(Told):
    url: str


class TaskInfo(Told):
    """Times are milliseconds since 1970, as the proxy tells them. `progress` is empty for a failure, for
    clients show a bar as long as there is one."""

    id: str = Field(examples=["1320098173412546"])
    action: str = Field(examples=["IMAGINE"])
    status: Status
    prompt: str = Field(default="", examples=["a red sailboat"])
    prompt_en: str = Field(default="", examples=["a red sailboat"])
    description: str = Field(default="", examples=["/imagine a red sailboat"])
    state: str = Field(default="", examples=["order-17"])
    submit_time: int = Field(examples=[1689231405854])
    start_time: int | None = None
    finish_time: int | None = None
    progress: str = Field(default="0%", examples=["31%"])
    image_url: str | None = Field(default=None, examples=["http://127.0.0.1:8701/assets/0b6c.webp"])
    image_urls: list[ImageUrl] = Field(default_factory=list)
    image_width: int | None = None
    image_height: int | None = None
    fail_reason: str | None = None
    mode: str | None = Field(default=None, examples=["FAST"])
    seed: str | None = Field(default=None, examples=["7"])
    buttons: list[Button] = Field(default_factory=list)
    properties: Mapping[str, Any] = Field(default_factory=dict)


def submitted(task_id: int, **properties: Any) -> SubmitResult:
    return SubmitResult(
        code=Code.SUCCESS, description="Submitted.", result=str(task_id), properties=properties
    )
