from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn

from farm.engine.adapters import hints
from farm.engine.adapters.control import Controls
from farm.engine.families import Conditioning, Hint, Wish
from farm.engine.steady import make_steady
from farm.postcards.edges import agreement, edge_map
from farm.postcards.manifest import weights_folder
from farm.postcards.pipelines import open_pipeline
from farm.postcards.world import Scene, render
from shared.errors import Fault

STEPS = 10


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def tiny_unet(family: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    sdxl = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 8 * 6 + 16,
        "transformer_layers_per_block": (1, 2),
        "use_linear_projection": True,
    }
    plain = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 24,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }
    return UNet2DConditionModel(**plain | (sdxl if family == "sdxl" else {}) | changes).eval()


def tiny_net(unet: Any, seed: int, **changes: Any) -> Any:
    """Its last layers are zero before training, and would show nothing."""
    torch.manual_seed(seed)
    net: Any = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 8, 16))
    net.register_to_config(**changes)
    ends = [*net.controlnet_down_blocks, net.controlnet_mid_block]
    for layer in [*ends, net.controlnet_cond_embedding.conv_out]:
        nn.init.normal_(layer.weight, std=0.3)
    return net.eval()


class Bench:
    """Rows of random numbers, a UNet, and the nets a and b."""

    def __init__(self, family: str = "sd15") -> None:
        self.unet = tiny_unet(family)
        # What is put is made steady; these twins stay as diffusers has them.
        self.plain = {"a": tiny_net(self.unet, 1), "b": tiny_net(self.unet, 2)}
        self.controls = Controls(self.unet)
        self.runs: list[str] = []
        for name, net in self.plain.items():
            twin = deepcopy(net)
            twin.register_forward_pre_hook(self.counter(name))
            self.controls.put(name, twin)
        torch.manual_seed(3)
        self.pictures = [torch.rand(1, 3, 64, 64) for _ in range(3)]
        self.latents, self.texts = torch.randn(6, 4, 8, 8), torch.randn(6, 5, 24)
        self.moments = torch.tensor([900.0, 750.0, 500.0, 400.0, 300.0, 20.0])
        self.added = {}
        if family == "sdxl":
            self.added = {"text_embeds": torch.randn(6, 16), "time_ids": torch.rand(6, 6) * 512}

    def counter(self, name: str) -> Callable[[nn.Module, Any], None]:
        return lambda *_: self.runs.append(name)

    def hint(self, name: str, **options: Any) -> Hint:
        return Hint(name, self.pictures[options.pop("picture", 0)], **options)

    def wish(self, *hints: Hint, step: int = 0, towards: bool = True) -> Wish:
        texts = {"texts": self.texts[:1]}
        told = Conditioning(texts, texts, 4.0, hints=hints)
        return Wish(texts, told, towards, None, step, STEPS)

    def draw(self, wishes: list[Wish], *, at: int = 0, horizon: int = 1) -> Tensor:
        rows = len(wishes)
        laid = self.controls.lay(wishes, horizon)
        added = {name: one[:rows] for name, one in self.added.items()}
        seen = self.latents[:rows], self.moments[:rows]
        texts = self.texts[:rows]
        found = self.controls.residuals(*seen, laid, at, texts=texts, added=added)
        return self.unet(*seen, texts, added_cond_kwargs=added, **found).sample

    def alone(self, row: int, wish: Wish, at: int = 0) -> Tensor:
        """As diffusers' pipelines do it: one row, each net with one scale, the answers added up."""
        added = {name: one[row : row + 1] for name, one in self.added.items()}
        seen = [one[row : row + 1] for one in (self.latents, self.moments, self.texts)]
        down, middle = None, None
        for hint in wish.conditioning.hints:
            scale = hint.at(wish.step + at, wish.steps)
            lower, centre = self.plain[hint.name](
                *seen, hint.picture, scale, added_cond_kwargs=added, return_dict=False
            )
            down = [one + two for one, two in zip(down, lower, strict=True)] if down else lower
            middle = centre if middle is None else middle + centre
        residuals: dict[str, Any] = {"mid_block_additional_residual": middle}
        residuals["down_block_additional_residuals"] = down
        return self.unet(*seen, added_cond_kwargs=added, **residuals if down else {}).sample


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
@pytest.mark.parametrize("at", [0, 3])
def test_rows_that_share_a_batch_are_drawn_as_if_alone(family: str, at: int) -> None:
    bench = Bench(family)
    half, other = bench.hint("a", scale=0.5), bench.hint("b", scale=1.2, picture=1)
    wishes = [
        bench.wish(),
        bench.wish(half),
        bench.wish(half, other, step=4),
        bench.wish(bench.hint("b", start=0.5), step=3),  # acts from the third forward on
        bench.wish(bench.hint("a", end=0.3, picture=2)),  # has acted by then
        bench.wish(half, towards=False),
    ]
    drawn = bench.draw(wishes, at=at, horizon=4)
    for row, wish in enumerate(wishes):
        torch.testing.assert_close(
            drawn[row : row + 1], bench.alone(row, wish, at), atol=1e-4, rtol=0
        )
    free = bench.alone(1, bench.wish())
    assert (drawn[1:2] - free).abs().max() > 0.01, "the net says nothing: the test proves nothing"


def test_two_pictures_of_one_net_add_up() -> None:
    bench = Bench()
    wish = bench.wish(bench.hint("a", scale=0.7), bench.hint("a", scale=0.4, picture=1))
    drawn = bench.draw([wish, bench.wish()])
    torch.testing.assert_close(drawn[:1], bench.alone(0, wish), atol=1e-4, rtol=0)
    assert bench.runs == ["a"]


def test_a_row_without_a_hint_keeps_the_very_bits_of_a_batch_without_any() -> None:
    bench = Bench()
    mixed = bench.draw([bench.wish(), bench.wish(bench.hint("a"))])
    assert torch.equal(mixed[0], bench.draw([bench.wish(), bench.wish()])[0])


def test_a_row_keeps_its_bits_whatever_runs_beside_it() -> None:
    bench = Bench()
    make_steady(bench.unet)
    rows = [bench.wish(bench.hint("a")), bench.wish()]
    fewer = bench.draw(rows)
    more = bench.draw([*rows, *[bench.wish(bench.hint("a", picture=1))] * 4])
    assert torch.equal(fewer[0], more[0])


def test_a_net_runs_once_a_forward_and_only_while_a_row_needs_it() -> None:
    bench = Bench()
    early, late = bench.hint("a", end=0.4), bench.hint("b", start=0.2, end=0.5)
    wishes = [bench.wish(early), bench.wish(early, late), bench.wish()]
    for at in range(STEPS):
        bench.draw(wishes, at=at, horizon=STEPS)
    assert bench.runs == ["a", "a", *["a", "b"] * 2, "b"]


def test_nothing_is_run_or_handed_over_where_no_hint_acts() -> None:
    bench = Bench()
    silent = bench.wish(bench.hint("a", scale=0.0), bench.hint("b", start=0.9))
    assert bench.controls.lay([bench.wish(), silent], 3) is None
    seen = bench.latents, bench.moments
    assert bench.controls.residuals(*seen, None, 0, texts=bench.texts) == {}
    assert bench.runs == []


def test_a_hint_for_a_net_that_is_gone_is_a_fault() -> None:
    bench = Bench()
    assert bench.controls.bytes > 0
    bench.controls.remove("b")
    assert bench.controls.names == {"a"}
    with pytest.raises(Fault, match="b is not loaded"):
        bench.controls.lay([bench.wish(bench.hint("b"))], 1)


@pytest.mark.parametrize(
    "net",
    [
        lambda: tiny_net(tiny_unet("sd15", cross_attention_dim=16), 1),
        lambda: tiny_net(tiny_unet("sdxl"), 1),
        lambda: tiny_net(tiny_unet("sd15"), 1, global_pool_conditions=True),
        lambda: tiny_net(tiny_unet("sd15"), 1, conditioning_channels=4),
    ],
)
def test_a_net_made_for_another_model_is_a_fault(net: Callable[[], Any]) -> None:
    controls = Controls(tiny_unet("sd15"))
    with pytest.raises(Fault, match="does not fit"):
        controls.put("a", net())
    assert not controls.names


# --- the trained one -----------------------------------------------------------------------------

PROMPT = "a blue castle on the grass at sunset"
SCENE = render(Scene("castle", "red", "grass", "day"), seed=3)
SCENES = [SCENE, SCENE[:, ::-1]]  # off the middle, and mirrored
GUIDANCE = 4.0


@pytest.fixture(scope="module")
def pipeline() -> Any:
    base = open_pipeline(weights_folder("base"))
    net = ControlNetModel.from_pretrained(weights_folder("controlnet-edges"), dtype=torch.float32)
    opened: Any = StableDiffusionControlNetPipeline(
        **base.components, controlnet=net, requires_safety_checker=False
    )
    opened.set_progress_bar_config(disable=True)
    return opened


def start() -> Tensor:
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))


def draw_together(pipeline: Any, jobs: list[tuple[Hint, ...]]) -> Tensor:
    """A loop by hand over all rows, towards and against of each job; they differ in hints only."""
    controls = Controls(pipeline.unet)
    controls.load("edges", weights_folder("controlnet-edges"))
    texts = pipeline.encode_prompt(PROMPT, "cpu", 1, True, "")[:2]
    wanted, unwanted = ({"texts": one} for one in texts)
    told = [Conditioning(wanted, unwanted, GUIDANCE, hints=hints) for hints in jobs]
    wishes = [
        Wish(one.towards, one, side, None, 0, STEPS) for side in (True, False) for one in told
    ]
    laid = controls.lay(wishes, STEPS)
    rows = torch.cat([one for one in texts for _ in jobs])
    scheduler = deepcopy(pipeline.scheduler)
    scheduler.set_timesteps(STEPS)
    latents = torch.cat([start() for _ in jobs]) * scheduler.init_noise_sigma
    for at, moment in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(latents, moment).repeat(2, 1, 1, 1)
        moments = moment.expand(len(seen))
        found = controls.residuals(seen, moments, laid, at, texts=rows)
        wanted, unwanted = pipeline.unet(seen, moments, rows, **found).sample.chunk(2)
        guided = unwanted + GUIDANCE * (wanted - unwanted)
        latents = scheduler.step(guided, moment, latents).prev_sample
    return latents


def pixels(pipeline: Any, latents: Tensor) -> Any:
    scaling = pipeline.vae.config.scaling_factor
    decoded = pipeline.vae.decode(latents / scaling).sample
    rows = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round()
    return rows.permute(0, 2, 3, 1).to(torch.uint8).numpy()


def test_postcards_follow_the_hint_that_canny_makes(pipeline: Any) -> None:
    """And each is the picture that diffusers' own pipeline draws of the same prompt and hint."""
    led = [hints.prepare("canny", Image.fromarray(scene), (64, 64)) for scene in SCENES]
    latents = draw_together(pipeline, [*((Hint("edges", one, end=0.8),) for one in led), ()])
    for row, picture in enumerate(led):
        alone = pipeline(
            PROMPT,
            picture,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            control_guidance_end=0.8,
            latents=start(),
            width=64,
            height=64,
            output_type="latent",
        ).images
        torch.testing.assert_close(latents[row : row + 1], alone, atol=1e-3, rtol=0)
    drawn = [edge_map(one) for one in pixels(pipeline, latents)]
    wanted = [edge_map(scene) for scene in SCENES]
    follow = np.array([[agreement(one, other) for other in wanted] for one in drawn])
    # Each follows its own, more than the other's, and more than a drawing without a hint does.
    own, others, free = follow[[0, 1], [0, 1]], follow[[0, 1], [1, 0]], follow[2]
    assert own.min() > others.max() + 0.1
    assert own.mean() > free.mean() + 0.2
