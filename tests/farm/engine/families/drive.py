"""The smallest loop that draws with a family: unlike jobs in one forward, diffusers' own steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from farm.engine.families import Conditioning, Family, Kept, Laid, Origin, Start, Wish
from farm.engine.samplers import Sampler, generator_for
from shared.spec import RenderSpec, WeightedText

WORDS = "a red sailboat on the sea at sunset"


@dataclass(eq=False)
class Course:
    """One image on its way."""

    spec: RenderSpec
    conditioning: Conditioning
    sampler: Sampler
    generator: torch.Generator
    start: Start
    latents: Tensor
    step: int = 0

    @property
    def finished(self) -> bool:
        return self.step >= len(self.sampler.timesteps)

    def wish(self, towards: bool) -> Wish:
        told = self.conditioning.towards if towards else self.conditioning.against
        assert told is not None
        steps = len(self.sampler.timesteps)
        return Wish(told, self.conditioning, towards, self.start.beside, self.step, steps)


def recipe(**changes: object) -> RenderSpec:
    plain: dict[str, object] = {
        "checkpoint": "tiny",
        "texts": (WeightedText(WORDS),),
        "negative": "",
        "width": 64,
        "height": 64,
        "steps": 4,
        "guidance": 5.0,
        "sampler": "euler",
        "seed": 7,
        "images": 1,
        "scale": 1,
    }
    whole: Any = plain | changes
    return RenderSpec(**whole)


def begin(family: Family, spec: RenderSpec, origin: Origin | None = None) -> Course:
    """The spec's first image, at its start."""
    conditioning = family.encode(spec)
    sampler = family.sampler(spec)
    generator = generator_for(spec.image_seed(0))
    with torch.inference_mode():
        start = family.start(spec, sampler, generator, origin or Origin())
    return Course(spec, conditioning, sampler, generator, start, start.latents)


def refined(family: Any, course: Course) -> Course:
    """The refiner's part of the way, from where the base stopped."""
    spec, sampler = course.spec, family.sampler(course.spec, refining=True)
    start = Start(course.latents)
    return Course(spec, family.encode(spec), sampler, course.generator, start, course.latents)


@torch.inference_mode()
def run(family: Family, courses: Sequence[Course]) -> None:
    """All of them to their end, in one batch that shrinks as the shorter ones leave."""
    left = [one for one in courses if not one.finished]
    while left:
        guided = [one for one in left if one.conditioning.against is not None]
        horizon = min(len(one.sampler.timesteps) - one.step for one in left)
        wishes = [one.wish(True) for one in left] + [one.wish(False) for one in guided]
        laid = family.lay(wishes, horizon)
        for at in range(horizon):
            _step(family, left, guided, (laid, at))
        left = [one for one in left if not one.finished]


def _step(
    family: Family, members: Sequence[Course], guided: Sequence[Course], laid: tuple[Laid, int]
) -> None:
    rows = [*members, *guided]
    seen = torch.cat([one.sampler.scale(one.latents, one.step) for one in rows])
    moments = torch.tensor([one.sampler.timesteps[one.step] for one in rows])
    answer = family.denoise(seen, moments.to(seen.device), *laid)
    against = dict(zip(map(id, guided), answer[len(members) :], strict=True))
    for one, towards in zip(members, answer, strict=False):
        _advance(one, _guide(one.conditioning, towards[None], against.get(id(one))))


def _guide(conditioning: Conditioning, towards: Tensor, against: Tensor | None) -> Tensor:
    if against is None:
        return towards
    guided = against[None] + conditioning.guidance * (towards - against[None])
    if not conditioning.rescale:
        return guided
    alike = guided * (towards.std() / guided.std())
    return conditioning.rescale * alike + (1 - conditioning.rescale) * guided


def _advance(one: Course, prediction: Tensor) -> None:
    one.latents = one.sampler.advance(
        one.latents, prediction, index=one.step, generator=one.generator
    )
    one.step += 1
    if one.start.kept is not None:
        one.latents = _keep(one, one.start.kept)


def _keep(one: Course, kept: Kept) -> Tensor:
    source = one.sampler.noised(kept.clean, kept.noise, one.step)
    return (1 - kept.mask) * source + kept.mask * one.latents


def draw(family: Family, spec: RenderSpec, origin: Origin | None = None) -> Course:
    """One job alone."""
    course = begin(family, spec, origin)
    run(family, [course])
    return course


def draw_together(
    family: Family, specs: Sequence[RenderSpec], origins: Sequence[Origin] = ()
) -> list[Course]:
    """Unlike jobs of one shape in shared forwards."""
    starts = origins or [Origin()] * len(specs)
    courses = [begin(family, spec, start) for spec, start in zip(specs, starts, strict=True)]
    run(family, courses)
    return courses


@torch.inference_mode()
def pixels(family: Family, course: Course) -> Tensor:
    """uint8 (1, height, width, 3)."""
    return family.decode(course.latents)


def relative(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, as a share of the largest number wanted."""
    wide = wanted.double()
    assert bool(wide.isfinite().all()), "nothing to compare with"
    return float((found.double() - wide).abs().max() / wide.abs().max())


def psnr(found: Tensor, wanted: Tensor) -> float:
    """In decibels, of pictures of 8 bits."""
    square = (found.double() - wanted.double()).square().mean()
    return float(10 * torch.log10(255**2 / square.clamp_min(1e-12)))


def picture(seed: int, width: int = 64, height: int = 64) -> Image.Image:
    """Soft colours: what an encoder can keep."""
    coarse = torch.rand(1, 3, 5, 5, generator=generator_for(seed))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return Image.fromarray((fine[0].permute(1, 2, 0) * 255).byte().numpy())


def mask(left: int, width: int = 64, height: int = 64) -> Image.Image:
    """White, to be drawn anew, from column `left` on."""
    whole = Image.new("L", (width, height), 0)
    whole.paste(255, (left, 0, width, height))
    return whole
