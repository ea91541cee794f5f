"""Textual inversion: words whose meaning is a file of vectors (arXiv 2208.01618).

A prompt writes the embedding `name` as `<name>`. The pipeline's own `encode_prompt` spells out
those of several vectors.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from shared.errors import Fault, Refusal

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
VECTORS = 75  # what a prompt has room for
FILE_BYTES = 4 << 20
HEADER_BYTES = 64 << 10
TENSORS = 8
DTYPES = (torch.float16, torch.bfloat16, torch.float32)
PAIRS = (("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1"))  # SDXL's two encoders

Vectors = tuple[Tensor, ...]  # (vectors, width) for each text encoder


class Embeddings:
    """The embeddings of one pipeline's text encoders, by name.

    Whoever keeps encoded texts must forget them when one comes or goes.
    """

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self._counts: dict[str, int] = {}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._counts)

    @property
    def _encoders(self) -> list[tuple[Any, Any]]:
        parts = [
            (getattr(self.pipeline, f"tokenizer{end}", None), f"text_encoder{end}")
            for end in ("", "_2")
        ]
        return [(words, getattr(self.pipeline, part)) for words, part in parts if words is not None]

    def load(self, name: str, file: Path) -> None:
        self.put(name, read(file))

    def put(self, name: str, vectors: Vectors) -> None:
        """Refusal `unfit_embedding` when it was made for other text encoders."""
        if not NAME.fullmatch(name):
            raise Fault("bad_name", "An embedding's name has lower case letters, digits and -.")
        self.remove(name)
        _check_fit(vectors, [encoder for _, encoder in self._encoders])
        for words, encoder in self._encoders:
            _check_room(name, words, encoder)
        for (words, encoder), part in zip(self._encoders, vectors, strict=True):
            # Ahead of diffusers, which would draw the new rows from the old ones' statistics.
            encoder.resize_token_embeddings(len(words) + len(part), mean_resizing=False)
            self.pipeline.load_textual_inversion(
                part, token=_token(name), tokenizer=words, text_encoder=encoder
            )
        self._counts[name] = len(vectors[0])

    def remove(self, name: str) -> None:
        """The encoders then are, bit for bit, what they were without it."""
        count = self._counts.pop(name, 0)
        if not count:
            return
        tokens = [_token(name), *(f"{_token(name)}_{i}" for i in range(1, count))]
        for words, encoder in self._encoders:
            self.pipeline.unload_textual_inversion(tokens, words, encoder)

    def written(self, text: str, wanted: Collection[str]) -> str:
        """The text in which only the wanted embeddings' tokens are ones.

        A loaded one that a job did not ask for reads as it would if it were not loaded: the space
        changes no other token.
        """

        def write(found: re.Match[str]) -> str:
            name = found[1].lower()
            if name not in self._counts:
                return found[0]
            return _token(name) if name in wanted else f"< {found[1]}>"

        return re.sub(rf"<({NAME.pattern})>", write, text, flags=re.IGNORECASE)


def _token(name: str) -> str:
    return f"<{name}>"


def read(file: Path) -> Vectors:
    """A safetensors file of one embedding; Refusal `bad_embedding` for anything else."""
    try:
        _check_file(file)
        with safe_open(file, framework="pt") as opened:
            names = list(opened.keys())
            if len(names) > TENSORS:
                raise _bad("it holds too much")
            tensors = {name: opened.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise _bad("it cannot be read") from error
    return tuple(_checked(one) for one in _chosen(tensors))


def _check_file(file: Path) -> None:
    if file.suffix != ".safetensors":
        raise _bad("only safetensors files are read")
    if not 8 < file.stat().st_size <= FILE_BYTES:
        raise _bad("it is too large or empty")
    with file.open("rb") as opened:
        if int.from_bytes(opened.read(8), "little") > HEADER_BYTES:
            raise _bad("its header is too long")


def _chosen(tensors: Mapping[str, Tensor]) -> Vectors:
    for pair in PAIRS:
        if set(pair) <= set(tensors):
            return tensors[pair[0]], tensors[pair[1]]
    if "emb_params" in tensors:
        return (tensors["emb_params"],)
    if len(tensors) == 1:  # by its token, or by A1111's string_to_param
        return tuple(tensors.values())
    raise _bad("it is not clear which of its tensors is the embedding")


def _checked(tensor: Tensor) -> Tensor:
    vectors = tensor[None] if tensor.dim() == 1 else tensor
    if vectors.dim() != 2 or vectors.dtype not in DTYPES:
        raise _bad("it is not a list of vectors")
    if not 0 < len(vectors) <= VECTORS:
        raise _bad(f"it has {len(vectors)} vectors; up to {VECTORS} fit into a prompt")
    if not torch.isfinite(vectors).all():
        raise _bad("it holds numbers that are not finite")
    return vectors.float()


def _check_fit(vectors: Vectors, encoders: list[Any]) -> None:
    widths = [encoder.get_input_embeddings().embedding_dim for encoder in encoders]
    counts = {len(one) for one in vectors}
    if [one.shape[1] for one in vectors] != widths or len(counts) != 1:
        sentence = "This embedding was made for another kind of model. Choose one that fits."
        raise Refusal("unfit_embedding", sentence, field="embedding")


def _check_room(name: str, words: Any, encoder: Any) -> None:
    """New rows go behind the last one; a table of another length than the words has no such place."""
    if _token(name) in words.get_vocab():
        raise Fault("bad_name", f"This checkpoint has a word {_token(name)} of its own.")
    if encoder.get_input_embeddings().num_embeddings != len(words):
        raise Fault("no_embeddings", "This checkpoint's text encoder takes no embeddings.")


def _bad(why: str) -> Refusal:
    return Refusal("bad_embedding", f"This embedding cannot be used: {why}.", field="embedding")
