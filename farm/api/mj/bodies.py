"""What clients of the proxy's dialect send. Fields that mean nothing here are passed over: each client has some
of its own."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from farm.api.v1.fields import Words

LONGEST_PICTURE = 14 * 2**20  # base64 of ten megabytes
LONGEST_LINK = 2_048
MOST_IDS = 500


def _written(value: Any) -> Any:
    """Some clients send a task's number as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Memo = Annotated[Words, Field(max_length=255)]
Link = Annotated[Words, Field(max_length=LONGEST_LINK)]
Picture = Annotated[
    str,
    Field(max_length=LONGEST_PICTURE, description="A data URI, plain base64, or an https link."),
]
TaskId = Annotated[
    str, BeforeValidator(_written), Field(max_length=32, examples=["1320098173412546"])
]


class Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore")


class AccountFilter(Body):
    modes: list[Literal["FAST", "RELAX", "TURBO"]] | None = Field(default=None, max_length=3)


class Submit(Body):
    """`state` is told back with the task; `notifyHook` is called when it changes."""

    state: Memo | None = Field(default=None, examples=["order-17"])
    notify_hook: Link | None = Field(default=None, examples=["https://example.com/hook"])


class Imagine(Submit):
    prompt: Words = Field(examples=["a red sailboat --ar 3:2"])
    base64_array: list[Picture] | None = Field(default=None, max_length=5)
    base64: Picture | None = None
    bot_type: Literal["MID_JOURNEY", "NIJI_JOURNEY"] | None = None
    account_filter: AccountFilter | None = None

    @property
    def pictures(self) -> list[str]:
        return [one for one in (*(self.base64_array or ()), self.base64 or "") if one]


class Blend(Submit):
    base64_array: list[Picture] = Field(min_length=2, max_length=5)
    dimensions: Literal["PORTRAIT", "SQUARE", "LANDSCAPE"] | None = None
    account_filter: AccountFilter | None = None


class Describe(Submit):
    base64: Picture | None = None
    link: Link | None = None


class Shorten(Submit):
    prompt: Words = Field(examples=["a very, very large and old sailing boat in red"])


class Change(Submit):
    task_id: TaskId
    action: Literal["UPSCALE", "VARIATION", "REROLL"] = Field(examples=["UPSCALE"])
    index: int | None = Field(default=None, ge=0, le=100, examples=[1])


class SimpleChange(Submit):
    content: Words = Field(examples=["1320098173412546 U2"])


class Act(Submit):
    """`enableRemix`: whether other words are asked for first; without it, as the account likes it."""

    task_id: TaskId
    custom_id: Memo = Field(examples=["MJ::JOB::upsample::1::0197f3a2-6a1b-7c44-9d3e-1f2a3b4c5d6e"])
    enable_remix: bool | None = None


class Modal(Submit):
    """The words of a form, and for a region the mask: white is drawn anew."""

    task_id: TaskId
    prompt: Words | None = Field(default=None, examples=["a red sailboat --zoom 1.8"])
    mask_base64: Picture | None = None


class Condition(Body):
    ids: list[TaskId] | None = Field(default=None, max_length=MOST_IDS)
