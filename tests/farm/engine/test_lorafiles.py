"""Files of LoRAs: every dialect says the same, and nothing but a sound LoRA is let in."""

import hashlib
import json
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig
from safetensors.torch import save, save_file
from torch import Tensor

from farm.engine import lorafiles
from farm.engine.lora import LoraBank, LoraWeights
from farm.engine.tensorfiles import Limits
from farm.postcards.pipelines import draw, open_pipeline
from farm.postcards.world import Picture
from shared.errors import Fault, Refusal
from tests.farm.engine.patches import (
    EVERYWHERE,
    apart,
    prefixed,
    random_lora,
    tiny_unet,
    weights_of,
)

WEIGHTS = Path("farm/postcards/weights")
STYLES = {
    name: WEIGHTS / f"lora-{name}/pytorch_lora_weights.safetensors" for name in ("sepia", "neon")
}
ATTN = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
STEM = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"


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


def pair(
    stem: str, ends: tuple[str, str] = (".lora_A", ".lora_B"), *, rank: int = 4
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(len(stem))
    down = torch.randn((rank, 6), generator=generator)
    return {f"{stem}{ends[0]}.weight": down, f"{stem}{ends[1]}.weight": down.t().contiguous()}


KOHYA = (".lora_down", ".lora_up")


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


# --- what is not let in ----------------------------------------------------------------------

GOOD = pair(f"unet.{ATTN}.to_q")
DOWN, UP = GOOD
F32 = {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}


def raw(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def changed(**tensors: Tensor | None) -> bytes:
    """The good file, with DOWN and UP changed or left out."""
    given = {DOWN: tensors.get("down", GOOD[DOWN]), UP: tensors.get("up", GOOD[UP])}
    return save({name: tensor for name, tensor in given.items() if tensor is not None})


def described(**about: Any) -> bytes:
    return raw({"a": {**F32, **about}}, bytes(4))


def with_more(state: dict[str, Tensor]) -> bytes:
    return save({**GOOD, **state})


class Payload:
    """Whoever unpickles it leaves a mark on the interpreter."""

    def __reduce__(self) -> Any:
        return exec, ("import sys; sys.pickle_was_run = True",)


ONE = torch.ones(())
BAD_FILES = {
    "empty": ("too short", b""),
    "too short": ("too short", b"\x01\x02"),
    "pickle renamed": ("not a safetensors file", pickle.dumps(Payload())),
    "zip renamed": ("not a safetensors file", b"PK\x03\x04" + bytes(60)),
    "header bomb": ("not a safetensors file", raw(b"{" + b" " * (1 << 20) + b"}")),
    "header of 2^64 bytes": ("not a safetensors file", raw(b"{}", length=2**64 - 1)),
    "header longer than the file": ("ends within its header", raw(b"{}", length=300)),
    "no header": ("not a safetensors file", raw(b"")),
    "header is a list": ("not a safetensors file", raw(b"[]")),
    "header is deep": ("not plain JSON", raw(b'{"a":' * 150_000 + b"1" + b"}" * 150_000)),
    "header is no text": ("not plain JSON", raw(b'{"\xff": 1}')),
    "header is no JSON": ("not plain JSON", raw(b"{nonsense}")),
    "huge number": ("not plain JSON", raw(b'{"a": ' + b"9" * 9000 + b"}")),
    "one name twice": (
        "not plain JSON",
        raw(b"{" + b", ".join([b'"a": ' + json.dumps(F32).encode()] * 2) + b"}", bytes(4)),
    ),
    "no tensors": ("It holds 0 tensors", raw({"__metadata__": {}})),
    "too many tensors": ("It holds 10001 tensors", raw({f"t{i}": 0 for i in range(10_001)})),
    "metadata is a number": (
        "metadata is not plain text",
        raw({"__metadata__": 3, "a": F32}, bytes(4)),
    ),
    "metadata holds a list": (
        "metadata is not plain text",
        raw({"__metadata__": {"a": []}, "a": F32}, bytes(4)),
    ),
    "a name with a line break": ("A tensor's name", raw({"a\nb": F32}, bytes(4))),
    "a long name": ("A tensor's name", raw({"a" * 300: F32}, bytes(4))),
    "description is a number": ("does not describe a", raw({"a": 1})),
    "description lacks a shape": (
        "does not describe a",
        raw({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, bytes(4)),
    ),
    "description has more": ("does not describe a", described(more=1)),
    "unknown dtype": ("of another kind", described(dtype="F8_E4M3")),
    "dtype is a list": ("of another kind", described(dtype=["F32"])),
    "integers": ("of another kind", described(dtype="I32")),
    "negative shape": ("a shape that no layer", described(shape=[-1, -1])),
    "empty shape": ("a shape that no layer", described(shape=[0, 4])),
    "shape of truths": ("a shape that no layer", described(shape=[True, True])),
    "shape of fractions": ("a shape that no layer", described(shape=[1.0, 1.0])),
    "shape of five": ("a shape that no layer", described(shape=[1, 1, 1, 1, 1])),
    "shape too large": ("as many bytes", described(shape=[2**40, 2**40])),
    "offsets too large": ("overlap", described(data_offsets=[2**40, 2**40 + 4])),
    "offsets backwards": ("as many bytes", described(data_offsets=[4, 0])),
    "three offsets": ("not say where a lies", described(data_offsets=[0, 4, 4])),
    "overlap": ("overlap", raw({"a": F32, "b": F32}, bytes(4))),
    "gap": ("overlap", raw({"a": F32, "b": {**F32, "data_offsets": [8, 12]}}, bytes(12))),
    "bytes after the end": ("shorter or longer", save(GOOD) + b"more"),
    "truncated": ("shorter or longer", save(GOOD)[:-1]),
    "not a number": ("no numbers", changed(down=GOOD[DOWN] * torch.nan)),
    "infinity": ("no numbers", changed(up=GOOD[UP].half() * torch.inf)),
    "half of a pair": ("one of the two", changed(up=None)),
    "the other half": ("one of the two", changed(down=None)),
    "ranks apart": ("do not fit", changed(up=torch.ones(6, 3))),
    "one dimension": ("do not fit", changed(down=torch.ones(4))),
    "a scalar": ("do not fit", changed(up=ONE)),
    "huge rank": ("256 is the most", changed(down=torch.ones(300, 6), up=torch.ones(6, 300))),
    "a whole model": ("is no tensor of a LoRA", save({"conv_in.weight": torch.ones(4, 4, 3, 3)})),
    "unknown key": ("is no tensor of a LoRA", with_more({"unet.to_q.secret.weight": ONE})),
    "unknown component": ("is no tensor of a LoRA", with_more(pair("vae.decoder.conv_in", KOHYA))),
    "text encoder that nobody wears": (
        "changes a text_encoder_3",
        with_more(pair("text_encoder_3.encoder.q")),
    ),
    "made for a transformer": (
        "changes a transformer",
        save(pair("transformer.transformer_blocks.0.attn.to_q")),
    ),
    "kohya and PEFT mixed": ("is no tensor of a LoRA", with_more(pair(STEM, KOHYA))),
    "kohya for a transformer": (
        "is no tensor of a LoRA",
        save(pair("lora_transformer_proj_out", KOHYA)),
    ),
    "DoRA": ("holds DoRA", with_more({f"unet.{ATTN}.to_q.lora_magnitude_vector": ONE})),
    "LoHa": ("holds LoHa", with_more({f"{STEM}.hada_w1_a": ONE})),
    "LoKr": ("holds LoKr", with_more({f"{STEM}.lokr_w1": ONE})),
    "bias": ("change of whole weights", with_more({f"unet.{ATTN}.to_q.lora_B.bias": ONE})),
    "alpha of nothing": ("is no tensor of a LoRA", with_more({"unet.to_q.alpha": ONE})),
    "alpha of zero": ("above 0", with_more({f"unet.{ATTN}.to_q.alpha": ONE * 0})),
    "alpha of several": ("above 0", with_more({f"unet.{ATTN}.to_q.alpha": torch.ones(2)})),
    "block 1000": (
        "blocks_1000_.* is no tensor",
        save(pair(STEM.replace("blocks_1", "blocks_1000"), KOHYA)),
    ),
    "both kinds of blocks": (
        "not known here",
        save({**pair(STEM, KOHYA), **pair("lora_unet_input_blocks_4_1_x", KOHYA)}),
    ),
    "settings are no JSON": ("cannot be read", save(GOOD, {"lora_adapter_metadata": "{"})),
    "settings are a list": ("cannot be read", save(GOOD, {"lora_adapter_metadata": "[]"})),
    "settings ask for DoRA": (
        "holds DoRA",
        save(GOOD, {"lora_adapter_metadata": '{"unet.use_dora": true}'}),
    ),
    "settings with a negative alpha": (
        "cannot be read",
        save(GOOD, {"lora_adapter_metadata": '{"unet.lora_alpha": -1}'}),
    ),
    "settings with endless alpha": (
        "cannot be read",
        save(GOOD, {"lora_adapter_metadata": '{"unet.lora_alpha": 1e999}'}),
    ),
    "settings with words for alpha": (
        "cannot be read",
        save(GOOD, {"lora_adapter_metadata": '{"unet.lora_alpha": "1"}'}),
    ),
    "settings with a slow pattern": (
        "cannot be read",
        save(GOOD, {"lora_adapter_metadata": '{"unet.alpha_pattern": {"(a+)+$": 1}}'}),
    ),
    "settings with a list of patterns": (
        "cannot be read",
        save(GOOD, {"lora_adapter_metadata": '{"unet.alpha_pattern": [1]}'}),
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused(tmp_path: Path, name: str) -> None:
    why, body = BAD_FILES[name]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(body)
    with pytest.raises(Refusal, match=why):
        lorafiles.read(path, "sd15")
    assert not hasattr(sys, "pickle_was_run")


def test_the_good_file_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    path.write_bytes(changed())
    assert list(lorafiles.read(path, "sd15").parts["unet"]) == [f"{ATTN}.to_q"]


def test_negative_alphas_do_not_hang_fluxs_converter(reading: Reading) -> None:
    state = pair("lora_unet_double_blocks_0_img_attn_proj", KOHYA)
    state["lora_unet_double_blocks_0_img_attn_proj.alpha"] = torch.tensor(-1.0)
    with pytest.raises(Refusal, match="above 0"):
        reading(state, "flux")


def test_what_a_converter_would_drop_is_refused(reading: Reading) -> None:
    known = pair("lora_unet_double_blocks_0_img_attn_proj", KOHYA)
    assert reading(known, "flux").parts
    with pytest.raises(Refusal, match="not known here"):
        reading(
            {**known, **pair("text_encoders.t5xxl.transformer.encoder.block.0.q", KOHYA)}, "flux"
        )


def test_other_formats_are_refused_by_their_name(tmp_path: Path) -> None:
    for name in ("lora.bin", "lora.ckpt", "lora.pt", "lora"):
        (tmp_path / name).write_bytes(changed())
        with pytest.raises(Refusal, match=r"Only \.safetensors"):
            lorafiles.read(tmp_path / name, "sd15")


def test_limits_are_the_callers_to_set(tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    path.write_bytes(changed())
    with pytest.raises(Refusal, match="larger than"):
        lorafiles.read(path, "sd15", limits=Limits(size=path.stat().st_size - 1))
    with pytest.raises(Refusal, match="rank 4; 3 is the most"):
        lorafiles.read(path, "sd15", most_rank=3)
    assert lorafiles.read(path, "sd15", limits=Limits(size=path.stat().st_size), most_rank=4).parts


def test_what_is_not_there_is_our_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no file of weights"):
        lorafiles.read(tmp_path / "gone.safetensors", "sd15")
    (tmp_path / "good.safetensors").write_bytes(changed())
    with pytest.raises(Fault, match="No model family"):
        lorafiles.read(tmp_path / "good.safetensors", "sd99")


# --- whatever a stranger writes --------------------------------------------------------------

MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = [
    "unet",
    "lora_unet",
    "lora_te1",
    "text_encoder",
    "transformer",
    "input_blocks",
    "up_blocks",
]
WORDS += [
    "middle_block",
    "attn1",
    "processor",
    "to_q",
    "to_out",
    "lora",
    "0",
    "1",
    "11",
    "emb",
    "op",
]
WORDS += ["double_blocks", "single_blocks", "diffusion_model", "proj", "mlp", "qkv_lora1", "x"]
ENDS = ["lora_A", "lora_B", "lora_down", "lora_up", "lora.down", "lora.up", "down", "up"]


def only_refused(path: Path, family: str) -> None:
    try:
        parts = lorafiles.read(path, family).parts
    except Refusal:
        return
    assert all(patch.down.isfinite().all() for part in parts.values() for patch in part.values())


@MANY
@given(place=st.integers(0, 2000), value=st.integers(0, 255), cut=st.integers(0, 3))
def test_flipped_bytes_never_crash_the_reader(
    tmp_path: Path, place: int, value: int, cut: int
) -> None:
    body = bytearray(save({**GOOD, f"unet.{ATTN}.to_q.alpha": ONE}))
    body[place % len(body)] = value
    path = tmp_path / "odd.safetensors"
    path.write_bytes(bytes(body[: len(body) - cut]))
    only_refused(path, "sd15")


@MANY
@given(
    names=st.lists(
        st.builds(
            lambda words, joint, end: joint.join(words) + end,
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=7),
            st.sampled_from("_."),
            st.sampled_from([f".{end}.weight" for end in ENDS] + [".alpha"]),
        ),
        min_size=1,
        max_size=6,
        unique=True,
    ),
    family=st.sampled_from(["sd15", "sdxl", "sd3", "flux"]),
    twins=st.booleans(),
)
def test_odd_names_never_crash_the_converters(
    tmp_path: Path, names: list[str], family: str, twins: bool
) -> None:
    state = {name: ONE if name.endswith("alpha") else torch.ones(3, 3) for name in names}
    if twins:
        swaps = (("lora_A", "lora_B"), ("down", "up"))
        for one, other in swaps:
            state |= {n.replace(one, other): t.clone() for n, t in list(state.items())}
    path = tmp_path / "odd.safetensors"
    save_file({name: tensor.clone() for name, tensor in state.items()}, path)
    only_refused(path, family)
