"""Nothing but a sound LoRA is let in, whatever a stranger writes."""

import json
import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import Tensor

from farm.engine.adapters import lorafiles
from farm.engine.weights.tensorfiles import Limits
from shared.errors import Fault, Refusal
from tests.farm.engine.patches import (
    ATTN,
    KOHYA,
    STEM,
    pair,
)

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


def written(folder: Path, state: dict[str, Tensor]) -> Path:
    path = folder / "lora.safetensors"
    save_file(state, path)
    return path


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
    "half of kohya's pair": (
        "belong to no LoRA for sd15",
        save({f"{STEM}.lora_down.weight": GOOD[DOWN]}),
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


def test_negative_alphas_do_not_hang_fluxs_converter(tmp_path: Path) -> None:
    state = pair("lora_unet_double_blocks_0_img_attn_proj", KOHYA)
    state["lora_unet_double_blocks_0_img_attn_proj.alpha"] = torch.tensor(-1.0)
    with pytest.raises(Refusal, match="above 0"):
        lorafiles.read(written(tmp_path, state), "flux")


def test_what_a_converter_would_drop_is_refused(tmp_path: Path) -> None:
    known = pair("lora_unet_double_blocks_0_img_attn_proj", KOHYA)
    assert lorafiles.read(written(tmp_path, known), "flux").parts
    dropped = pair("text_encoders.t5xxl.transformer.encoder.block.0.q", KOHYA)
    with pytest.raises(Refusal, match="not known here"):
        lorafiles.read(written(tmp_path, {**known, **dropped}), "flux")


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
