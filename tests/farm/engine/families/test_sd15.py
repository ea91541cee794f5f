"""Stable Diffusion 1.5 in every way it can start, against diffusers' own pipelines."""

from typing import Any

import pytest
import torch

from farm.engine.families import Origin
from shared.errors import Fault
from shared.spec import RenderKind
from tests.farm.engine.families import drive, pair_sd15

CLOSE = 1e-4
PICTURE = drive.picture(1)
ORIGINS = {
    RenderKind.TEXT: Origin(),
    RenderKind.IMAGE: Origin(PICTURE),
    RenderKind.INPAINT: Origin(PICTURE, drive.mask(24)),
}


def difference(model: str, **changes: Any) -> float:
    spec = drive.recipe(negative="fog", **changes)
    origin = ORIGINS[spec.kind]
    ours = drive.draw(pair_sd15.fresh(model), spec, origin).latents
    return drive.relative(ours, pair_sd15.expected(model, spec, origin))


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpm++2m-karras", "heun"])
@pytest.mark.parametrize("way", [RenderKind.IMAGE, RenderKind.INPAINT])
def test_a_picture_drawn_anew_is_what_diffusers_draws(way: RenderKind, sampler: str) -> None:
    assert difference("plain", kind=way, sampler=sampler, strength=0.6, steps=5) <= CLOSE


@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_a_model_made_for_inpainting_sees_mask_and_source(strength: float) -> None:
    changes = {"kind": RenderKind.INPAINT, "strength": strength, "steps": 5}
    assert difference("inpainting", **changes) <= CLOSE


def test_at_full_strength_only_the_mask_is_drawn() -> None:
    assert difference("plain", kind=RenderKind.INPAINT, strength=1.0) <= CLOSE


@pytest.mark.parametrize(
    "changes", [{"clip_skip": 1}, {"rescale": 0.7}, {"eta": 0.6, "sampler": "ddim"}]
)
def test_what_a_recipe_may_ask_besides(changes: dict[str, Any]) -> None:
    assert difference("plain", **changes) <= CLOSE
    plain = drive.draw(pair_sd15.fresh("plain"), drive.recipe(negative="fog")).latents
    asked = drive.draw(pair_sd15.fresh("plain"), drive.recipe(negative="fog", **changes)).latents
    assert not torch.equal(plain, asked)


def test_a_distilled_model_is_told_its_guidance_and_needs_no_second_row() -> None:
    family = pair_sd15.fresh("lcm")
    assert family.encode(drive.recipe(guidance=8.0)).against is None
    assert difference("lcm", sampler="lcm", guidance=8.0) <= CLOSE


def test_an_inpainting_model_wants_a_picture() -> None:
    with pytest.raises(Fault, match="only redraws"):
        drive.draw(pair_sd15.fresh("inpainting"), drive.recipe())


def test_it_is_no_refiner() -> None:
    with pytest.raises(Fault, match="no refiner"):
        pair_sd15.fresh("plain").sampler(drive.recipe(), refining=True)
