"""Where a picture shows what some words name, as the model itself sees it (DiffEdit, arXiv 2210.11427).

The picture is noised and denoised with the words and without them: where the two predictions differ is
what the words are about. Averaged over a few seeded noises, so that it is the same each time.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn.functional import interpolate

from farm.engine.families import Conditioning, Family, Origin, Wish, drawn_in
from farm.engine.guidance import carried
from farm.engine.messages import Input
from farm.engine.samplers import Sampler, generator_for
from shared.cost import REGION_PROBES
from shared.errors import Fault
from shared.spec import RenderKind, RenderSpec, WeightedText

LOOKED_AT = (
    0.5  # how far it is noised: less and the words change nothing, more and the picture is gone
)
AT_ONCE = 4  # noises in one forward, so that the loop's forwards go on between
MEANT = 0.35  # of the largest difference: from here on it is what the words name
STANDS_OUT = 4.0  # times the median: less is nowhere in particular
LARGEST = 0.7  # of the picture: more is no part of it
GROWN = 1 / 32  # of the shorter side is drawn anew around it
_WORD = re.compile(r"\w+")
EMPTY_WORDS = frozenset(
    ["a", "an", "and", "at", "by", "in", "of", "on", "or", "the", "two", "three", "with"]
)


def found(
    spec: RenderSpec, family: Family, picture: Image.Image, *, turn: AbstractContextManager[object]
) -> Image.Image:
    """The mask of `spec.region` in the picture, L, white where it is. Fault `region_not_found` when nothing
    stands out. `turn` is held for each forward, so that it never runs into one of the loop's."""
    heat = _heat(spec, family, picture, turn)
    smooth = interpolate(heat[None, None], picture.size[::-1], mode="bicubic")[0, 0]
    mask = smooth >= MEANT * smooth.max()
    plain = not bool(heat.max() > STANDS_OUT * heat.median()) or bool(mask.float().mean() > LARGEST)
    if plain:
        raise _not_found()
    white = Image.fromarray((mask * 255).to(torch.uint8).numpy())
    reach = max(1, round(GROWN * min(picture.size)))
    return white.filter(ImageFilter.MaxFilter(2 * reach + 1))


def as_input(mask: Image.Image) -> Input:
    """As if it had been sent with the job."""
    rgb = mask.convert("RGB").tobytes()
    return Input(hashlib.sha256(rgb).hexdigest(), mask.width, mask.height, rgb)


def contrast(spec: RenderSpec) -> tuple[str, str]:
    """A text with the region's words and one without: the prompt is one of the two, for a model looks at
    words alone as at another picture."""
    prompt = ", ".join(part.text for part in spec.texts if part.weight > 0)
    named = {word.lower() for word in _WORD.findall(spec.region)} - EMPTY_WORDS
    without = _WORD.sub(lambda word: "" if word[0].lower() in named else word[0], prompt)
    if without == prompt:
        return ", ".join(filter(None, [prompt, spec.region])), prompt
    return prompt, " ".join(without.split())


@torch.inference_mode()
def _heat(
    spec: RenderSpec, family: Family, picture: Image.Image, turn: AbstractContextManager[object]
) -> Tensor:
    """(rows, columns) of the latents on the CPU: the mean difference of the two predictions."""
    looked = _looked_at(spec)
    sampler = family.sampler(looked)
    told = [family.encode(replace(looked, texts=(WeightedText(text),))) for text in contrast(spec)]
    clean = _clean(looked, family, sampler, picture)
    total = torch.zeros(())
    for noises in _noises(clean, family):
        with turn:
            total = total + _differences(family, sampler, told, clean, noises)
    return total.float().cpu() / REGION_PROBES


def _looked_at(spec: RenderSpec) -> RenderSpec:
    """Once with each text, without a second row, and with nothing worn."""
    return replace(
        spec,
        kind=RenderKind.IMAGE,
        strength=LOOKED_AT,
        guidance=1.0,
        stop=1.0,
        negative="",
        mask=None,
        loras=(),
        controls=(),
        references=(),
    )


def _clean(spec: RenderSpec, family: Family, sampler: Sampler, picture: Image.Image) -> Tensor:
    whole = Image.new("L", picture.size, 255)
    kept = family.start(spec, sampler, generator_for(0), Origin(picture, whole)).kept
    if kept is None or kept.mask.shape[2] * picture.width != kept.mask.shape[3] * picture.height:
        raise Fault("bad_spec", "A model of this kind finds no words in a picture.")
    return kept.clean


def _noises(clean: Tensor, family: Family) -> Iterator[Tensor]:
    for first in range(0, REGION_PROBES, AT_ONCE):
        drawn = [
            torch.randn(clean.shape, generator=generator_for(seed), dtype=drawn_in(family.dtype))
            for seed in range(first, first + AT_ONCE)
        ]
        yield carried(torch.cat(drawn).to(family.dtype), family.device)


def _differences(
    family: Family, sampler: Sampler, told: list[Conditioning], clean: Tensor, noises: Tensor
) -> Tensor:
    rows = torch.cat([sampler.scale(sampler.noised(clean, n[None], 0), 0) for n in noises])
    wishes = [Wish(one.towards, one, True, None, 0, 1) for one in told for _ in noises]
    moments = carried(torch.tensor([sampler.timesteps[0]] * len(wishes)), family.device)
    answer = family.denoise(torch.cat([rows, rows]), moments, family.lay(wishes, 1), 0)
    with_words, without = answer.chunk(2)
    return (with_words - without).abs().sum(0).mean(0)


def _not_found() -> Fault:
    sentence = (
        "Nothing in this picture stands out as what you named. Use other words, or tap the cells of the "
        "place instead."
    )
    return Fault("region_not_found", sentence)
