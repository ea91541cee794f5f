"""What OpenAI's images API answers, as its clients read it."""

from typing import Literal

from pydantic import BaseModel, Field

Format = Literal["png", "jpeg", "webp"]
Kind = Literal["image_generation", "image_edit"]


class Details(BaseModel):
    text_tokens: int = 0
    image_tokens: int = Field(default=0, examples=[1900])


class Usage(BaseModel):
    """Nothing is counted in tokens here: one output token is one charged GPU-millisecond, so that what a
    client adds up is the bill."""

    input_tokens: int = 0
    input_tokens_details: Details = Details()
    output_tokens: int = Field(examples=[1900])
    output_tokens_details: Details
    total_tokens: int = Field(examples=[1900])


class Image(BaseModel):
    """`url` is the delivered file, marked and signed; `b64_json` the same, or a copy in the format that was
    asked for. `job_id` and `index` are ours."""

    b64_json: str | None = Field(default=None, examples=["iVBORw0KGgo..."])
    url: str | None = Field(default=None, examples=["http://127.0.0.1:8701/assets/0b6c/0.png"])
    revised_prompt: str = Field(examples=["a red sailboat"])
    job_id: str
    index: int = Field(examples=[0])


class Images(BaseModel):
    created: int = Field(examples=[1_790_000_000])
    data: list[Image]
    background: Literal["opaque"] = "opaque"
    output_format: Format = "png"
    quality: Literal["low", "medium", "high", "xhigh", "max"] = "medium"
    size: str = Field(examples=["512x512"])
    usage: Usage


class Partial(BaseModel):
    """A preview: rough, of all pictures at once where there are several."""

    type: str = Field(examples=["image_generation.partial_image"])
    b64_json: str
    partial_image_index: int
    created_at: int
    background: Literal["opaque"] = "opaque"
    output_format: Format
    quality: str
    size: str


class Completed(BaseModel):
    type: str = Field(examples=["image_generation.completed"])
    b64_json: str
    created_at: int
    background: Literal["opaque"] = "opaque"
    output_format: Format
    quality: str
    size: str
    usage: Usage


class Wrong(BaseModel):
    message: str = Field(examples=["There is no model of this name."])
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(default=None, examples=["model"])
    code: str | None = Field(default=None, examples=["model_not_found"])


class Error(BaseModel):
    """OpenAI's shape of an error; `code` is the same as elsewhere but where its clients know another."""

    error: Wrong


def usage_of(charged_ms: int) -> Usage:
    details = Details(image_tokens=charged_ms)
    return Usage(output_tokens=charged_ms, output_tokens_details=details, total_tokens=charged_ms)
