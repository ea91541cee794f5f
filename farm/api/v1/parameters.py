"""Typed fields in place of `--` parameters: each is written into the prompt, and the grammar judges it there.

Names, ranges and explanations are those of the table of parameters (shared.parameters).
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from farm.api.v1.fields import storable
from shared.parameters import BY_FIELD, Kind
from shared.plans import Speed, Visibility
from shared.prompt import MARK
from shared.values import write_list

_NAME = r"^[^\W_][\w.+-]{0,63}$"


def _said(field: str, *, example: Any) -> Any:
    """A field that may be left out, explained by the table."""
    one = BY_FIELD[field]
    ranged = one.kind in (Kind.WHOLE, Kind.NUMBER)
    limits: dict[str, Any] = {"ge": one.low, "le": one.high} if ranged else {}
    return Field(
        default=None, description=f"{one.help} `{one.typed}`", examples=[example], **limits
    )


def _plain(text: str) -> str:
    if MARK.search(text):
        raise ValueError("may hold no parameter; set the field of that name")
    return storable(text)


Name = Annotated[str, StringConstraints(pattern=_NAME)]
Item = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_plain)]
One = Annotated[
    str, StringConstraints(pattern=r"^[^-\s]\S*$", max_length=1_100), AfterValidator(storable)
]
Ratio = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}:[0-9]{1,6}$")]
Version = Annotated[str, StringConstraints(pattern=r"^(niji)? ?[\w.]{0,16}$", min_length=1)]


class Parameters(BaseModel):
    """What `--` parameters say, as fields. Said in the prompt as well, both must say the same."""

    model_config = ConfigDict(extra="forbid")

    aspect: Ratio | None = _said("aspect", example="3:2")
    negative: list[Item] | None = _said("negative", example=["birds", "rain"])
    seed: int | None = _said("seed", example=7)
    chaos: int | None = _said("chaos", example=30)
    weird: int | None = _said("weird", example=500)
    stylize: int | None = _said("stylize", example=250)
    style: Name | None = _said("style", example="sepia")
    raw: bool | None = _said("raw", example=False)
    tile: bool | None = _said("tile", example=False)
    image_weight: float | None = _said("image_weight", example=1.5)
    style_refs: list[One] | None = _said("style_refs", example=["1234::2"])
    style_weight: int | None = _said("style_weight", example=200)
    character_refs: list[One] | None = _said(
        "character_refs", example=["https://example.com/cat.png"]
    )
    character_weight: int | None = _said("character_weight", example=50)
    loras: list[One] | None = _said("loras", example=["sepia:0.8"])
    control: Name | None = _said("control", example="edges")
    model: Name | None = _said("model", example="postcards")
    version: Version | None = _said("version", example="1")
    steps: int | None = _said("steps", example=20)
    quality: float | None = _said("quality", example=0.5)
    draft: bool | None = _said("draft", example=False)
    hires: float | None = _said("hires", example=1.5)
    guidance: float | None = _said("guidance", example=4.5)
    sampler: Name | None = _said("sampler", example="euler-a")
    stop: int | None = _said("stop", example=80)
    repeat: int | None = _said("repeat", example=1)
    speed: Speed | None = Field(default=None, description="How soon.", examples=["fast"])
    visibility: Visibility | None = Field(
        default=None, description="Who may see it beside you.", examples=["public"]
    )

    def typed(self) -> str:
        """As they are typed behind a prompt: `--ar 3:2 --seed 7`."""
        said = ((name, getattr(self, name)) for name in FIELDS)
        return " ".join(_typed(name, value) for name, value in said if value not in (None, False))


FIELDS: tuple[str, ...] = tuple(Parameters.model_fields)
# Two hyphens and a value; what the grammar has and no field says is only shown before it is used.
UNSAID: frozenset[Literal["enhance"]] = frozenset({"enhance"})


def _typed(field: str, value: Any) -> str:
    if field in ("speed", "visibility"):
        return f"--{value}"
    if field == "version" and value.startswith("niji"):
        return f"--niji {value.removeprefix('niji').strip()}".strip()
    one = BY_FIELD[field]
    if one.kind is Kind.FLAG:
        return one.typed
    return f"{one.typed} {_written(one.kind, value)}"


def _written(kind: Kind, value: Any) -> str:
    if kind is Kind.LIST:
        return write_list(tuple(value))
    return " ".join(value) if isinstance(value, list) else str(value)
