"""What a client of AI Horde's asks for, and the prompt that it becomes: one grammar for every door. Pure."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from farm.api.openai.asked import aspect_typed
from farm.api.v1.fields import Words
from shared.catalog import Catalog, samplers_of
from shared.orders import MOST_PICTURES
from shared.parameters import BY_FIELD
from shared.values import write_list

NEGATIVE = "###"  # what stands behind it is left out of the picture
LARGEST, SMALLEST = 3_072, 64
LONGEST_PICTURE = 14 * 2**20
_STEPS, _GUIDANCE = BY_FIELD["steps"], BY_FIELD["guidance"]
# Ours by theirs; Karras' sigmas are said beside it.
_OURS = {
    "k_euler": "euler",
    "k_euler_a": "euler-a",
    "k_heun": "heun",
    "k_dpmpp_2m": "dpm++2m",
    "DDIM": "ddim",
    "lcm": "lcm",
}


def _seed(value: Any) -> Any:
    """Theirs is a text: a number, or words that stand for one."""
    if value in (None, ""):
        return None
    text = str(value)
    if text.isascii() and text.isdecimal():
        return int(text[:40]) % 2**32
    return int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest()[:4])


Side = Annotated[int, Field(ge=SMALLEST, le=LARGEST)]
Seed = Annotated[int | None, BeforeValidator(_seed, json_schema_input_type=str | int | None)]
Short = Annotated[Words, Field(max_length=100)]


class Lora(BaseModel):
    name: Short = Field(examples=["sepia"])
    model: float | None = Field(default=None, ge=-4, le=4, examples=[0.8])


class Params(BaseModel):
    """What is not read here is left out: each picture here is filtered, and none is rated."""

    model_config = ConfigDict(extra="ignore")

    width: Side | None = Field(default=None, examples=[512])
    height: Side | None = Field(default=None, examples=[512])
    steps: int | None = Field(default=None, ge=int(_STEPS.low), le=int(_STEPS.high), examples=[12])
    cfg_scale: float | None = Field(
        default=None, ge=_GUIDANCE.low, le=_GUIDANCE.high, examples=[4.0]
    )
    sampler_name: Short | None = Field(default=None, examples=["k_dpmpp_2m"])
    karras: bool | None = Field(default=None, examples=[True])
    seed: Seed = Field(default=None, examples=["7"])
    n: int | None = Field(default=None, ge=1, le=MOST_PICTURES, examples=[1])
    tiling: bool | None = Field(default=None, examples=[False])
    loras: list[Lora] | None = Field(default=None, max_length=5, examples=[[]])


class Request(BaseModel):
    model_config = ConfigDict(extra="ignore")

    prompt: Words = Field(min_length=1, examples=["a red sailboat ### birds"])
    params: Params | None = None
    models: list[Short] | None = Field(default=None, max_length=50, examples=[["postcards"]])
    r2: bool = Field(default=True, description="Pictures as links; else as base64.")
    dry_run: bool = Field(default=False, description="Say only what it would cost.")
    source_image: str | None = Field(default=None, max_length=LONGEST_PICTURE, examples=[None])
    source_processing: Literal["img2img", "inpainting", "outpainting", "remix"] | None = None
    source_mask: str | None = Field(default=None, max_length=LONGEST_PICTURE, examples=[None])

    @property
    def said(self) -> Params:
        return self.params or Params()


def model_of(asked: Request, catalog: Catalog) -> str | None:
    """The first of theirs that is here. None: whatever draws by default."""
    return next((one for one in asked.models or () if one in catalog.checkpoints), None)


def text_of(asked: Request, catalog: Catalog) -> str:
    words, _, unwanted = asked.prompt.partition(NEGATIVE)
    said, model = asked.said, model_of(asked, catalog)
    sampler = _sampler(said, catalog.get(model or catalog.default).family)
    parts = (
        words.strip(),
        f"--no {write_list(_listed(unwanted))}" if _listed(unwanted) else "",
        aspect_typed(f"{said.width}x{said.height}") if said.width and said.height else "",
        f"--seed {said.seed}" if said.seed is not None else "",
        f"--steps {said.steps}" if said.steps is not None else "",
        f"--guidance {said.cfg_scale:g}" if said.cfg_scale is not None else "",
        f"--sampler {sampler}" if sampler else "",
        "--tile" if said.tiling else "",
        _loras(said.loras or ()),
        f"--model {model}" if model else "",
    )
    return " ".join(part for part in parts if part)


def _listed(unwanted: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in unwanted.split(",") if part.strip())


def _loras(loras: Sequence[Lora]) -> str:
    named = (one.name if one.model is None else f"{one.name}:{one.model:g}" for one in loras)
    told = " ".join(named)
    return f"--lora {told}" if told else ""


def _sampler(said: Params, family: str) -> str | None:
    """None where there is none like it for the model: its own draws as well."""
    name = _OURS.get(said.sampler_name or "")
    wanted = [f"{name}-karras", name] if said.karras else [name]
    known = samplers_of(family)
    return next((one for each in wanted for one in (each, f"flow-{each}") if one in known), None)
