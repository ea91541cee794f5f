"""What a client of OpenAI's asks for, and the prompt that it becomes: one grammar for every door. No I/O."""

import re
from fractions import Fraction
from typing import Annotated, Literal

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from farm.api.openai.shapes import Format
from farm.api.v1.fields import Words, storable
from shared.catalog import Catalog
from shared.errors import Refusal

MOST_PICTURES = 10
FINEST_RATIO = 64
# Clients have these built in: here they are whatever draws by default.
_THEIRS = re.compile(r"(dall-e|gpt-image|chatgpt-image)[\w.-]*")

Quality = Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"]
QUALITIES = {"low": "0.5", "high": "2", "hd": "2", "xhigh": "4", "max": "4"}
Shown = Literal["low", "medium", "high", "xhigh", "max"]
_SHOWN: dict[str, Shown] = {
    "low": "low",
    "high": "high",
    "hd": "high",
    "xhigh": "xhigh",
    "max": "max",
}
Size = Annotated[
    str, StringConstraints(pattern=r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$", max_length=11)
]
Name = Annotated[str, StringConstraints(max_length=128), AfterValidator(storable)]


class Asked(BaseModel):
    """What every one of the three takes. What is not known here is left unread, as their clients send
    much that only some models have."""

    model_config = ConfigDict(extra="ignore")

    model: Name | None = Field(
        default=None,
        examples=["postcards"],
        description="One of `GET /v1/models`. OpenAI's own names mean the default one.",
    )
    n: int | None = Field(default=1, ge=1, le=MOST_PICTURES, examples=[1])
    size: Size | None = Field(
        default="auto",
        examples=["1024x1024"],
        description="The nearest that the model draws; the answer says which.",
    )
    quality: Quality | None = Field(
        default="auto",
        examples=["low"],
        description="Steps: low is half, high double, max four times.",
    )
    response_format: Literal["url", "b64_json"] | None = Field(
        default=None, examples=["b64_json"], description="Without it, both."
    )
    output_format: Format | None = Field(
        default="png",
        examples=["png"],
        description="Of `b64_json`. PNG is the signed file itself; the others are copies of it.",
    )
    output_compression: int | None = Field(default=100, ge=0, le=100, examples=[100])
    background: Literal["auto", "opaque", "transparent"] | None = Field(
        default="auto", examples=["opaque"], description="No model here draws on nothing."
    )
    moderation: Literal["auto", "low"] | None = Field(
        default="auto", examples=["auto"], description="Read, and the same rules hold."
    )
    user: Name | None = Field(
        default=None, examples=["user-17"], description="Told back as the job's metadata."
    )
    stream: bool | None = Field(default=False, examples=[False])
    partial_images: int | None = Field(default=0, ge=0, le=3, examples=[0])

    @property
    def pictures(self) -> int:
        return self.n or 1

    @property
    def file_format(self) -> Format:
        return self.output_format or "png"

    @property
    def shown_quality(self) -> Shown:
        return _SHOWN.get(self.quality or "", "medium")

    def wants(self, form: Literal["url", "b64_json"]) -> bool:
        return self.response_format in (None, form)


class Generation(Asked):
    prompt: Words = Field(min_length=1, examples=["a red sailboat"])
    style: Literal["vivid", "natural"] | None = Field(
        default=None, examples=["vivid"], description="natural: without the model's own style."
    )


class Edit(Asked):
    """A form. One picture or several; with a mask, the first one's transparent part is drawn anew."""

    prompt: Words = Field(min_length=1, examples=["a red sailboat"])
    image: list[UploadFile] = Field(default_factory=list, description="PNG, JPEG or WebP.")
    # The same, as their client sends several. Not described: generated clients know one name of it.
    several: SkipJsonSchema[list[UploadFile]] = Field(default_factory=list, alias="image[]")
    mask: UploadFile | None = Field(
        default=None, description="A PNG of the picture's size: what is transparent is drawn anew."
    )

    @property
    def files(self) -> list[UploadFile]:
        return [*self.image, *self.several]


class Variation(Asked):
    """A form with one picture."""

    image: UploadFile = Field(description="PNG, JPEG or WebP.")


def text_of(asked: Asked, prompt: str, catalog: Catalog) -> str:
    """Refusals `model_not_found`, `unsupported_value`; what the grammar says of the rest."""
    _check(asked)
    parts = (
        prompt,
        _model(asked.model, catalog),
        aspect_typed(asked.size),
        _quality(asked.quality),
    )
    natural = getattr(asked, "style", None) == "natural"
    return " ".join(part for part in (*parts, "--raw" if natural else "") if part)


def _check(asked: Asked) -> None:
    if asked.background == "transparent":
        sentence = "No model here draws a transparent background. Leave `background` out."
        raise Refusal("unsupported_value", sentence, field="background")
    if asked.file_format != "png" and not asked.wants("b64_json"):
        sentence = (
            "A url leads to the delivered PNG. Ask for `b64_json` to have it in another format."
        )
        raise Refusal("unsupported_value", sentence, field="output_format")


def _model(name: str | None, catalog: Catalog) -> str:
    if not name or _THEIRS.fullmatch(name):
        return ""
    if name not in catalog.checkpoints:
        sentence = "There is no model of this name. GET /v1/models names them all."
        raise Refusal("model_not_found", sentence, field="model")
    return f"--model {name}"


def aspect_typed(size: str | None) -> str:
    ratio = aspect_of(size)
    return "" if ratio is None else f"--ar {ratio.numerator}:{ratio.denominator}"


def aspect_of(size: str | None) -> Fraction | None:
    """Width over height, in numbers that people read; None where the size is left to us."""
    if size is None or size == "auto":
        return None
    width, height = map(int, size.split("x"))
    if width < height:
        return 1 / Fraction(height, width).limit_denominator(FINEST_RATIO)
    return Fraction(width, height).limit_denominator(FINEST_RATIO)


def _quality(quality: str | None) -> str:
    scale = QUALITIES.get(quality or "")
    return f"--quality {scale}" if scale else ""
