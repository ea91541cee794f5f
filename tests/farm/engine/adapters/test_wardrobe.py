"""Jobs that wear adapters, through the engine: alone, together, and what happens when one cannot."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from diffusers.models import ControlNetModel
from PIL import Image

from farm.engine.adapters import hints
from farm.engine.memory.pool import Pool
from farm.engine.messages import Input, Picture
from farm.engine.samplers import build_scheduler
from shared.catalog import Catalog
from shared.places import Folder
from shared.spec import ControlUse, LoraUse, RenderSpec, Source
from tests.farm.engine.desk import PROMPTS, Desk, recipe
from tests.farm.engine.test_contract import CLOSE, relative

HINTED = 99  # the seed of a castle that stands elsewhere
SEPIA, NEON = (LoraUse("sepia"),), (LoraUse("neon"),)


def pixels(picture: Picture) -> Any:
    shape = (picture.height, picture.width, 3)
    return np.frombuffer(picture.rgb, np.uint8).reshape(shape).astype(float)


def colourful(picture: Picture) -> float:
    rgb = pixels(picture)
    return float((rgb.max(-1) - rgb.min(-1)).mean())


def brown(picture: Picture) -> float:
    """Share of the pixels that are redder than green and greener than blue."""
    red, green, blue = np.moveaxis(pixels(picture), -1, 0)
    return float(((red >= green) & (green >= blue)).mean())


def sent(image: Image.Image) -> Input:
    rgb = image.convert("RGB").tobytes()
    return Input(hashlib.sha256(rgb).hexdigest(), image.width, image.height, rgb)


def bright(picture: Picture) -> float:
    return float(pixels(picture).mean())


def house() -> Image.Image:
    """A white house on black, as somebody would draw one."""
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (16, 30, 48, 56))
    return image


def latents(desk: Desk, spec: RenderSpec, **render: Any) -> torch.Tensor:
    desk.admit(spec, **render)
    one = desk.engine.running["job"].trajectories[0]
    desk.finish()
    return one.latents


@pytest.fixture(scope="module")
def pipeline(catalog: Catalog) -> Any:
    folder: Any = catalog.get("postcards").weights
    loaded = StableDiffusionPipeline.from_pretrained(folder.path, dtype=torch.float32)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def asked(spec: RenderSpec) -> dict[str, Any]:
    return {
        "prompt": spec.texts[0].text,
        "width": spec.width,
        "height": spec.height,
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance,
        "generator": torch.Generator("cpu").manual_seed(spec.seed),
        "output_type": "latent",
    }


# --- alone, as diffusers does it -----------------------------------------------------------------


def test_a_lora_draws_what_the_pipeline_draws_with_it(
    desk: Desk, pipeline: Any, catalog: Catalog
) -> None:
    spec = recipe(loras=(LoraUse("sepia", 0.8),), images=1)
    place: Any = catalog.adapters["sepia"].weights
    pipeline.load_lora_weights(place.path, adapter_name="sepia")
    pipeline.set_adapters("sepia", 0.8)
    try:
        theirs = pipeline(**asked(spec)).images
    finally:
        pipeline.unload_lora_weights()
    assert relative(latents(desk, spec), theirs) <= CLOSE


def test_a_controlnet_draws_what_the_pipeline_draws_with_it(
    desk: Desk, pipeline: Any, catalog: Catalog
) -> None:
    hint = sent(house())
    use = ControlUse("edges", Source("house", hint.sha256), scale=0.9, start=0.0, end=0.7)
    spec = recipe("a blue house in a meadow by day", controls=(use,), images=1, steps=8)
    place: Any = catalog.adapters["edges"].weights
    net = ControlNetModel.from_pretrained(place.path)
    scheduler = build_scheduler(spec.sampler, pipeline.scheduler.config)
    parts = pipeline.components | {"scheduler": scheduler}
    whole = StableDiffusionControlNetPipeline(
        **parts, controlnet=net, requires_safety_checker=False
    )
    whole.set_progress_bar_config(disable=True)
    theirs = whole(
        **asked(spec),
        image=hints.prepare("canny", house(), (64, 64)),
        controlnet_conditioning_scale=0.9,
        control_guidance_start=0.0,
        control_guidance_end=0.7,
    ).images
    assert relative(latents(desk, spec, inputs=[hint]), theirs) <= CLOSE


# --- together ------------------------------------------------------------------------------------


def test_plain_sepia_and_neon_share_every_forward_and_look_like_themselves(desk: Desk) -> None:
    plain = recipe(PROMPTS[0], images=1, steps=12)
    worn = {"plain": (), "sepia": SEPIA, "neon": NEON, "both": SEPIA + NEON}
    specs = {name: recipe(PROMPTS[0], images=1, steps=12, loras=one) for name, one in worn.items()}
    before = desk.engine.counts.copy()
    for name, spec in specs.items():
        desk.admit(spec, name)
    desk.finish()
    assert desk.engine.counts["forwards"] - before["forwards"] == 12
    drawn = {name: desk.rendered(name).pictures[0] for name in specs}
    assert drawn["plain"].sha256 == desk.render(plain).pictures[0].sha256
    assert brown(drawn["sepia"]) > 0.8 > brown(drawn["plain"])
    assert bright(drawn["neon"]) < 0.6 * bright(drawn["plain"])
    assert colourful(drawn["sepia"]) < 0.6 * colourful(drawn["plain"])
    assert len({one.sha256 for one in drawn.values()}) == 4


def test_a_drawing_follows_its_hint_beside_one_that_has_none(desk: Desk) -> None:
    prompt = "a pink castle in the desert by day"
    drawn = desk.render(recipe(prompt, images=1, steps=12, seed=HINTED), "hint").pictures[0]
    hint = Input(drawn.sha256, drawn.width, drawn.height, drawn.rgb)
    use = ControlUse("edges", Source("castle", hint.sha256))
    desk.admit(recipe(prompt, images=1, steps=12, controls=(use,)), "led", inputs=[hint])
    desk.admit(recipe(prompt, images=1, steps=12), "free")
    desk.finish()
    led, free = (desk.rendered(name).pictures[0] for name in ("led", "free"))
    assert free.sha256 == desk.render(recipe(prompt, images=1, steps=12)).pictures[0].sha256
    assert likeness(led, drawn) > 0.9 > 0.8 > likeness(free, drawn)


def likeness(picture: Picture, hint: Picture) -> float:
    """The share of the hint's edges where the drawing has one, to within a pixel."""
    drawn, wanted = (
        hints.prepare("canny", Image.fromarray(pixels(one).astype(np.uint8)), (64, 64))
        for one in (picture, hint)
    )
    near = torch.nn.functional.max_pool2d(drawn, 3, 1, 1)
    return float((near * wanted).sum() / wanted.sum())


def test_another_vae_shows_the_same_drawing_otherwise(
    catalog: Catalog, tmp_path: Path, desk: Desk
) -> None:
    """One forward serves both: only the decoder differs."""
    base: Any = catalog.get("postcards").weights
    vae = AutoencoderKL.from_pretrained(base.path / "vae")
    with torch.no_grad():
        vae.decoder.conv_out.bias += 0.5
    vae.save_pretrained(tmp_path / "vae")
    bright_one = replace(
        catalog.adapters["edges"], name="bright", kind="vae", weights=Folder(tmp_path / "vae")
    )
    shelf = replace(catalog, adapters={**catalog.adapters, "bright": bright_one})
    desk = Desk(Pool(shelf, device="cpu"), tmp_path / "snapshots")
    desk.admit(recipe(images=1), "plain")
    desk.admit(recipe(images=1, vae="bright"), "bright")
    desk.finish()
    assert desk.engine.counts["forwards"] == 6
    plain, other = (desk.rendered(name).pictures[0] for name in ("plain", "bright"))
    lighter = pixels(other) - pixels(plain)
    assert 40 < np.median(lighter) < 70, "half a unit is 64 of 255"


# --- when it cannot be worn ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loras": (LoraUse("sepa"),)}, "sepia"),
        ({"loras": (LoraUse("edges"),)}, "LoRA"),
        ({"embeddings": ("nothing",)}, "nothing"),
        ({"vae": "sepia"}, "VAE"),
        ({"controls": (ControlUse("edges", Source("k", "0" * 64)),)}, "not sent"),
    ],
)
def test_what_cannot_be_worn_is_refused_with_a_reason(
    desk: Desk, changes: dict[str, Any], words: str
) -> None:
    desk.admit(recipe(**changes))
    assert words in desk.failed().sentence
    assert not desk.failed().retryable


def test_a_snapshot_of_other_adapters_is_not_taken_over(
    desk: Desk, new_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.admit(recipe(loras=SEPIA))
    desk.steps(3)
    worn = desk.engine.running["job"].identity
    desk.engine.drain()
    again = new_desk()
    monkeypatch.setattr(
        again.engine.entrance.preparation.wardrobe, "digest", lambda _: "another file"
    )
    again.admit(recipe(loras=SEPIA))
    assert again.engine.running["job"].identity != worn
    assert again.engine.running["job"].resumed_from == 0
