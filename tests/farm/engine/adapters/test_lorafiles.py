"""Files of LoRAs: every dialect says the same, and nothing but a sound LoRA is let in."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

from farm.engine.adapters import lorafiles
from farm.engine.adapters.lora import LoraBank, LoraWeights
from farm.postcards.pipelines import draw, open_pipeline
from farm.postcards.world import Picture
from tests.farm.engine.patches import (
    ATTN,
    EVERYWHERE,
    KOHYA,
    STEM,
    apart,
    pair,
    prefixed,
    random_lora,
    tiny_unet,
    weights_of,
)

WEIGHTS = Path("farm/postcards/weights")
STYLES = {
    name: WEIGHTS / f"lora-{name}/pytorch_lora_weights.safetensors" for name in ("sepia", "neon")
}


@pytest.fixture(autouse=True)
def _no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


Reading = Callable[..., lorafiles.LoraFile]


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    """Writes the tensors, and reads what was written."""

    def read(
        state: dict[str, Tensor], family: str = "sd15", metadata: dict[str, str] | None = None
    ) -> lorafiles.LoraFile:
        path = tmp_path / "lora.safetensors"
        save_file({k: v.contiguous() for k, v in state.items()}, path, metadata)
        return lorafiles.read(path, family)

    return read


def kohya_of(state: dict[str, Tensor], alpha: float) -> dict[str, Tensor]:
    written = {}
    for path in [name.removesuffix(".lora_A.weight") for name in state if "lora_A" in name]:
        stem = "lora_unet_" + path.replace(".", "_")
        written[f"{stem}.lora_down.weight"] = state[f"{path}.lora_A.weight"]
        written[f"{stem}.lora_up.weight"] = state[f"{path}.lora_B.weight"]
        written[f"{stem}.alpha"] = torch.tensor(alpha)
    return written


def same(found: LoraWeights, wanted: LoraWeights) -> bool:
    return found.keys() == wanted.keys() and all(
        found[path].scale == wanted[path].scale
        and found[path].down.equal(wanted[path].down)
        and found[path].up.equal(wanted[path].up)
        for path in wanted
    )


# --- dialects --------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [4.0, 1.0, 6.0])
def test_kohya_and_peft_write_the_same_lora(reading: Reading, alpha: float) -> None:
    unet = tiny_unet()
    state = random_lora(unet, EVERYWHERE, rank=4, seed=1)
    assert len(state) > 60
    by_peft = reading(prefixed(state, "unet")).parts
    by_kohya = reading(kohya_of(state, alpha)).parts
    assert by_peft.keys() == by_kohya.keys() == {"unet"}
    assert same(by_peft["unet"], weights_of(state))
    assert same(by_kohya["unet"], weights_of(state, alpha / 4))
    LoraBank(unet).put("fits", by_kohya["unet"])


OLD = (".processor.to_out_lora.down", ".processor.to_out_lora.up")


@pytest.mark.parametrize(
    ("state", "path"),
    [
        (pair(f"unet.{ATTN}.to_q"), f"{ATTN}.to_q"),
        (pair(f"{ATTN}.to_q"), f"{ATTN}.to_q"),
        (pair(f"base_model.model.{ATTN}.to_q"), f"{ATTN}.to_q"),
        (pair(f"unet.{ATTN}.to_q", (".lora.down", ".lora.up")), f"{ATTN}.to_q"),
        (pair(f"unet.{ATTN}", OLD), f"{ATTN}.to_out.0"),
        (pair(ATTN, OLD), f"{ATTN}.to_out.0"),
        (pair(STEM, KOHYA), f"{ATTN}.to_q"),
    ],
)
def test_older_spellings_of_a_unet(reading: Reading, state: dict[str, Tensor], path: str) -> None:
    parts = reading(state).parts
    assert {part: list(weights) for part, weights in parts.items()} == {"unet": [path]}
    assert parts["unet"][path].down.shape == (4, 6)
    assert parts["unet"][path].scale == 1.0


LAYER = "text_model.encoder.layers.0"
KOHYA_LAYER = "text_model_encoder_layers_0"


@pytest.mark.parametrize(
    ("state", "component", "path"),
    [
        (pair(f"text_encoder.{LAYER}.self_attn.q_proj"), "text_encoder", "self_attn.q_proj"),
        (pair(f"text_encoder_2.{LAYER}.mlp.fc1"), "text_encoder_2", "mlp.fc1"),
        (
            pair(
                f"text_encoder.{LAYER}.self_attn.out_proj",
                (".lora_linear_layer.down", ".lora_linear_layer.up"),
            ),
            "text_encoder",
            "self_attn.out_proj",
        ),
        (
            pair(f"text_encoder.{LAYER}.self_attn", (".to_q_lora.down", ".to_q_lora.up")),
            "text_encoder",
            "self_attn.q_proj",
        ),
        (pair(f"lora_te_{KOHYA_LAYER}_mlp_fc2", KOHYA), "text_encoder", "mlp.fc2"),
        (
            pair(f"lora_te1_{KOHYA_LAYER}_self_attn_k_proj", KOHYA),
            "text_encoder",
            "self_attn.k_proj",
        ),
        (
            pair(f"lora_te2_{KOHYA_LAYER}_self_attn_v_proj", KOHYA),
            "text_encoder_2",
            "self_attn.v_proj",
        ),
    ],
)
def test_text_encoders(
    reading: Reading, state: dict[str, Tensor], component: str, path: str
) -> None:
    parts = reading(state, "sdxl").parts
    assert {part: list(weights) for part, weights in parts.items()} == {
        component: [f"{LAYER}.{path}"]
    }


@pytest.mark.parametrize(
    ("stem", "path"),
    [
        ("input_blocks_4_1_transformer_blocks_0_attn1_to_q", f"{ATTN}.to_q"),
        (
            "middle_block_1_transformer_blocks_3_attn2_to_out_0",
            "mid_block.attentions.0.transformer_blocks.3.attn2.to_out.0",
        ),
        (
            "output_blocks_2_1_transformer_blocks_0_ff_net_0_proj",
            "up_blocks.0.attentions.2.transformer_blocks.0.ff.net.0.proj",
        ),
        ("input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        ("input_blocks_1_0_in_layers_2", "down_blocks.0.resnets.0.conv1"),
    ],
)
def test_sdxl_by_its_first_authors_block_numbers(reading: Reading, stem: str, path: str) -> None:
    assert list(reading(pair(f"lora_unet_{stem}", KOHYA), "sdxl").parts["unet"]) == [path]


def test_transformers(reading: Reading) -> None:
    path = "transformer_blocks.0.attn.to_q"
    for family in ("sd3", "flux"):
        parts = reading(pair(f"transformer.{path}"), family).parts
        assert list(parts["transformer"]) == [path]


def test_flux_by_kohya_is_split_and_scaled(reading: Reading) -> None:
    state = pair("lora_unet_double_blocks_0_img_attn_qkv", KOHYA)
    whole = state["lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight"]
    down = state["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"]
    state["lora_unet_double_blocks_0_img_attn_qkv.alpha"] = torch.tensor(2.0)
    parts = reading(state, "flux").parts["transformer"]
    names = ["to_q", "to_k", "to_v"]
    split = [parts[f"transformer_blocks.0.attn.{name}"] for name in names]
    product = torch.cat([one.scale * one.up @ one.down for one in split])
    assert apart(product, 0.5 * whole @ down) <= 1e-6


def test_the_sum_of_a_file_is_of_its_bytes() -> None:
    file = lorafiles.read(STYLES["sepia"], "sd15")
    assert file.sha256 == hashlib.sha256(STYLES["sepia"].read_bytes()).hexdigest()
    assert {part: len(weights) for part, weights in file.parts.items()} == {"unet": 70}


# --- strength --------------------------------------------------------------------------------


@pytest.mark.parametrize("rank_stabilised", [False, True])
def test_settings_in_the_metadata_are_diffusers_own(tmp_path: Path, rank_stabilised: bool) -> None:
    """A layer with an alpha of its own, and the others; PEFT says what the scale is."""
    unet: Any = tiny_unet()
    config = LoraConfig(
        r=4,
        lora_alpha=6,
        alpha_pattern={"mid_block.attentions.0.transformer_blocks.0.attn1.to_q": 1},
        target_modules=["to_q", "conv1"],
        use_rslora=rank_stabilised,
    )
    unet.add_adapter(config, adapter_name="one")
    scales = {
        path.removesuffix(".base_layer"): layer.scaling["one"]
        for path, layer in unet.named_modules()
        if hasattr(layer, "scaling")
    }
    state = random_lora(tiny_unet(), ("to_q", "conv1"), rank=4, seed=1)
    StableDiffusionPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=state, unet_lora_adapter_metadata=config.to_dict()
    )
    file = lorafiles.read(tmp_path / "pytorch_lora_weights.safetensors", "sd15")
    assert {path: patch.scale for path, patch in file.parts["unet"].items()} == scales
    assert len(set(scales.values())) == 2


def test_an_alpha_in_the_file_counts_for_its_own_layer_only(reading: Reading) -> None:
    state = {**pair(f"unet.{ATTN}.to_q"), **pair(f"unet.{ATTN}.to_k")}
    parts = reading({**state, f"unet.{ATTN}.to_k.alpha": torch.tensor(1.0)}).parts["unet"]
    assert {path[-4:]: patch.scale for path, patch in parts.items()} == {"to_q": 1.0, "to_k": 0.25}


# --- sepia and neon --------------------------------------------------------------------------

CAPTION = "a red car on a snowy hill at noon"


def warmth(picture: Picture) -> float:
    red, _, blue = picture.reshape(-1, 3).mean(0)
    return float(red - blue)


def saturation(picture: Picture) -> float:
    most, least = picture.max(-1).astype(float), picture.min(-1).astype(float)
    return float(((most - least) / most.clip(1)).mean())


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_sepia_neon_and_plain_in_one_batch_are_what_diffusers_draws_alone() -> None:
    pipeline = open_pipeline(WEIGHTS / "base")
    bank = LoraBank(pipeline.unet)
    for name, path in STYLES.items():
        bank.put(name, lorafiles.read(path, "sd15").parts["unet"])
    worn = [(("sepia", 1.0),), (("neon", 1.0),), ()]
    bank.wear([*worn, *worn])  # the rows without guidance, then those with it
    together = draw(pipeline, [CAPTION] * 3, num_inference_steps=8)
    for i, outfit in enumerate(worn):
        single = open_pipeline(WEIGHTS / "base")
        for name, _ in outfit:
            single.load_lora_weights(STYLES[name].parent)
        wanted = draw(single, [CAPTION], first_seed=1000 + i, num_inference_steps=8)[0]
        assert abs(together[i].astype(int) - wanted).max() <= 1
    sepia, neon, plain = together
    assert warmth(sepia) > warmth(plain) + 40
    assert warmth(neon) < warmth(sepia) - 40
    assert neon.mean() < 0.6 * plain.mean()
    assert saturation(neon) > saturation(sepia) + 0.1
