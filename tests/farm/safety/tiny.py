"""Detectors small enough for a test: random ones of each family, and one that really sees red."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from farm.engine.messages import Picture
from farm.engine.weights import manifest

SIDE = 32
_TINY = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "projection_dim": 8,
}
_TEXT = {**_TINY, "vocab_size": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_EYE = {**_TINY, "image_size": SIDE, "patch_size": 8}


def vit(folder: Path, *, labels: tuple[str, ...] = ("normal", "nsfw"), **settings: Any) -> Path:
    config = ViTConfig(**_EYE, id2label=dict(enumerate(labels)), **settings)
    _saved(ViTForImageClassification, config, folder)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return _listed(folder)


def checker(folder: Path) -> Path:
    """Its thresholds are so low that the first concept always, and care never, counts."""
    config = CLIPConfig(text_config=_TEXT, vision_config=_EYE, projection_dim=8)
    model = _model(StableDiffusionSafetyChecker, config)
    for name in ("concept_embeds", "special_care_embeds"):
        torch.nn.init.normal_(getattr(model, name))
    model.concept_embeds_weights.data.fill_(0.9)
    model.save_pretrained(folder)
    return _listed(folder)


def clip(folder: Path) -> Path:
    config = CLIPConfig(text_config=_TEXT, vision_config=_EYE, projection_dim=8)
    _saved(CLIPModel, config, folder)
    words = {"[PAD]": 0, "[BOS]": 1, "[EOS]": 2, "red": 3, "blue": 4, "a": 5, "picture": 6}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]", model_max_length=16
    )
    fast.save_pretrained(folder)
    crop = {"height": SIDE, "width": SIDE}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=crop).save_pretrained(folder)
    return _listed(folder)


def redness(folder: Path, *, output: str = "softmax", **changes: Any) -> Path:
    """An ONNX graph that says how red a picture is, and its manifest: a linear classifier, for real.

    The chance of `red` is a sigmoid of ten times (red - (green + blue) / 2 - 0.25).
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "redness.onnx"
    file.write_bytes(_graph(output).SerializeToString())
    told: dict[str, Any] = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "input": {"width": 8, "height": 8, "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
        "output": output,
        "classes": ["plain", "red"],
        "labels": {"plain": "none", "red": ["gore", "sexual"]},
        "thresholds": {
            "gore": {"block": 0.9, "strict": 0.5},
            "sexual": {"block": 0.95, "strict": 0.6},
        },
    }
    target = folder / "detector.json"
    target.write_text(json.dumps(told | changes))
    return target


def _graph(output: str) -> onnx.ModelProto:
    """Mean of each channel, one linear layer, and the output that is asked for."""
    weight = np.array([[-10.0, 5.0, 5.0], [10.0, -5.0, -5.0]], np.float32).T / 2
    bias = np.array([1.25, -1.25], np.float32)
    if output == "sigmoid":
        weight, bias = weight * 2, bias * 2
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("Gemm", ["means", "weight", "bias"], ["logits"]),
    ]
    last = {"softmax": "Softmax", "sigmoid": "Sigmoid", "logits": "Identity"}.get(output, "Tanh")
    nodes.append(helper.make_node(last, ["logits"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "redness",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def coloured(red: int, green: int, blue: int, *, width: int = 64, height: int = 64) -> Picture:
    """One colour, and a black corner: a picture of nothing else is taken for a broken decoder's."""
    pixels = np.full((height, width, 3), (red, green, blue), np.uint8)
    pixels[0, 0] = 0
    rgb = pixels.tobytes()
    return Picture(0, width, height, rgb, sha256=hashlib.sha256(rgb).hexdigest(), seed=0)


def _saved(kind: Any, config: Any, folder: Path) -> None:
    _model(kind, config).save_pretrained(folder)


def _model(kind: Any, config: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return kind(config)


def _listed(folder: Path) -> Path:
    manifest.write(folder)
    return folder
