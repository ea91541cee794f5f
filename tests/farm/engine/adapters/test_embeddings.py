import json
import struct
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from farm.engine.adapters.embeddings import VECTORS, Embeddings, read
from farm.postcards.manifest import weights_folder
from farm.postcards.pipelines import open_pipeline
from shared.errors import Fault, Refusal

PROMPT = "a <charm> castle, <charm> on the grass"
LISTED = ("charm",)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def base() -> Any:
    return open_pipeline(weights_folder("base"))


@pytest.fixture
def pipeline(base: Any) -> Any:
    """Its words and their meanings are each test's own."""
    own = {name: deepcopy(base.components[name]) for name in ("tokenizer", "text_encoder")}
    return StableDiffusionPipeline(**base.components | own, requires_safety_checker=False)


@pytest.fixture
def sdxl() -> Any:
    """Two text encoders, 16 and 24 wide, and nothing else of use."""
    torch.manual_seed(0)
    words = [CLIPTokenizer.from_pretrained(weights_folder("base") / "tokenizer") for _ in range(2)]
    shape: dict[str, Any] = {
        "vocab_size": len(words[0]),
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 8,
        "bos_token_id": words[0].bos_token_id,
        "eos_token_id": words[0].eos_token_id,
    }
    return StableDiffusionXLPipeline(
        vae=AutoencoderKL(block_out_channels=(4,), norm_num_groups=2),
        text_encoder=CLIPTextModel(CLIPTextConfig(hidden_size=16, **shape)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=24, **shape)).eval(),
        tokenizer=words[0],
        tokenizer_2=words[1],
        unet=UNet2DConditionModel(
            block_out_channels=(8,),
            down_block_types=("DownBlock2D",),
            up_block_types=("UpBlock2D",),
            mid_block_type=None,
            norm_num_groups=2,
        ),
        scheduler=EulerDiscreteScheduler(),
    )


def vectors(count: int, width: int = 128, seed: int = 1) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def encoded(pipeline: Any, text: str) -> Tensor:
    settings = {"num_images_per_prompt": 1, "do_classifier_free_guidance": False}
    return pipeline.encode_prompt(text, device="cpu", **settings)[0]


def tokens(words: Any, text: str) -> list[int]:
    return words(text).input_ids


# --- what it does --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_a_word_that_was_loaded_changes_the_text_and_leaves_without_a_trace(
    pipeline: Any, count: int
) -> None:
    plain, other = encoded(pipeline, PROMPT), encoded(pipeline, "a red house")
    table = pipeline.text_encoder.get_input_embeddings().weight.clone()
    embeddings = Embeddings(pipeline)
    embeddings.put("charm", (vectors(count),))
    assert embeddings.names == {"charm"}
    charmed = encoded(pipeline, embeddings.written(PROMPT, LISTED))
    assert (charmed - plain).abs().max() > 0.1
    assert torch.equal(encoded(pipeline, "a red house"), other)
    embeddings.remove("charm")
    assert not embeddings.names
    assert torch.equal(encoded(pipeline, PROMPT), plain)
    assert torch.equal(pipeline.text_encoder.get_input_embeddings().weight, table)


def test_every_vector_of_a_word_stands_in_the_text_in_order(pipeline: Any) -> None:
    embeddings = Embeddings(pipeline)
    embeddings.put("charm", (vectors(3),))
    spelled = pipeline.maybe_convert_prompt(
        embeddings.written("a <Charm>", LISTED), pipeline.tokenizer
    )
    found = tokens(pipeline.tokenizer, spelled)[2:-1]
    table = pipeline.text_encoder.get_input_embeddings().weight
    torch.testing.assert_close(table[found], vectors(3))


def test_one_leaves_and_the_others_stay(pipeline: Any) -> None:
    embeddings = Embeddings(pipeline)
    embeddings.put("luck", (vectors(2, seed=2),))
    lucky = encoded(pipeline, "a <luck> castle")
    embeddings.put("charm", (vectors(3),))
    embeddings.put("moon", (vectors(1, seed=3),))
    moony = encoded(pipeline, "a <moon> castle")
    embeddings.remove("charm")
    assert torch.equal(encoded(pipeline, "a <luck> castle"), lucky)
    assert torch.equal(encoded(pipeline, "a <moon> castle"), moony)


def test_one_that_comes_again_is_replaced(pipeline: Any) -> None:
    embeddings = Embeddings(pipeline)
    embeddings.put("charm", (vectors(1, seed=2),))
    alone = encoded(pipeline, PROMPT)
    embeddings.put("charm", (vectors(4, seed=5),))
    embeddings.put("charm", (vectors(1, seed=2),))
    assert torch.equal(encoded(pipeline, PROMPT), alone)


@pytest.mark.parametrize("text", [PROMPT, "(<CHARM>), a castle", "<charm>_1<charm>", "a<charm>b"])
def test_a_word_nobody_asked_for_reads_as_if_it_were_not_there(pipeline: Any, text: str) -> None:
    embeddings = Embeddings(pipeline)
    plain = tokens(pipeline.tokenizer, text)
    embeddings.put("charm", (vectors(3),))
    assert tokens(pipeline.tokenizer, text) != plain
    assert tokens(pipeline.tokenizer, embeddings.written(text, ())) == plain


def test_text_without_loaded_words_is_left_alone(pipeline: Any) -> None:
    embeddings = Embeddings(pipeline)
    embeddings.put("charm", (vectors(1),))
    assert embeddings.written("2 < 3 > 1, <moon> <charm", LISTED) == "2 < 3 > 1, <moon> <charm"


def test_both_of_sdxls_encoders_learn_the_word(sdxl: Any, tmp_path: Path) -> None:
    plain = encoded(sdxl, PROMPT)
    save_file(
        {"clip_l": vectors(2, 16), "clip_g": vectors(2, 24).half()}, tmp_path / "x.safetensors"
    )
    embeddings = Embeddings(sdxl)
    embeddings.load("charm", tmp_path / "x.safetensors")
    changed = (encoded(sdxl, PROMPT) - plain).abs()
    assert changed[..., :16].max() > 0.01
    assert changed[..., 16:].max() > 0.01
    embeddings.remove("charm")
    assert torch.equal(encoded(sdxl, PROMPT), plain)


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Charm", "a b", "a>b", "<charm>", "x" * 65, "é", "a_1"])
def test_a_name_that_could_be_mistaken_is_a_fault(pipeline: Any, name: str) -> None:
    with pytest.raises(Fault, match="name"):
        Embeddings(pipeline).put(name, (vectors(1),))


@pytest.mark.parametrize("made", [(16,), (16, 24), (128, 128), ()])
def test_one_made_for_other_encoders_is_refused_and_changes_nothing(
    pipeline: Any, made: tuple[int, ...]
) -> None:
    before = len(pipeline.tokenizer)
    with pytest.raises(Refusal, match="another kind"):
        Embeddings(pipeline).put("charm", tuple(vectors(1, width) for width in made))
    assert len(pipeline.tokenizer) == before


def test_sdxl_wants_as_many_vectors_for_each_encoder(sdxl: Any) -> None:
    with pytest.raises(Refusal, match="another kind"):
        Embeddings(sdxl).put("charm", (vectors(2, 16), vectors(3, 24)))


def test_a_table_that_is_longer_than_the_words_is_not_cut(pipeline: Any) -> None:
    pipeline.text_encoder.resize_token_embeddings(1200, mean_resizing=False)
    with pytest.raises(Fault, match="takes no embeddings"):
        Embeddings(pipeline).put("charm", (vectors(1),))
    assert pipeline.text_encoder.get_input_embeddings().num_embeddings == 1200


def test_a_word_of_the_checkpoints_own_is_not_taken(pipeline: Any) -> None:
    pipeline.tokenizer.add_tokens("<charm>")
    pipeline.text_encoder.resize_token_embeddings(len(pipeline.tokenizer), mean_resizing=False)
    with pytest.raises(Fault, match="of its own"):
        Embeddings(pipeline).put("charm", (vectors(1),))


def test_sdxl_keeps_neither_half_when_one_has_no_room(sdxl: Any) -> None:
    sdxl.text_encoder_2.resize_token_embeddings(1200, mean_resizing=False)
    before = len(sdxl.tokenizer)
    with pytest.raises(Fault, match="takes no embeddings"):
        Embeddings(sdxl).put("charm", (vectors(1, 16), vectors(1, 24)))
    assert len(sdxl.tokenizer) == before


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "held",
    [
        {"emb_params": vectors(2)},
        {"<any-token>": vectors(2)},
        {"string_to_param.*": vectors(2)},
        {"emb_params": vectors(2), "step": torch.ones(1)},
    ],
)
def test_the_usual_files_are_read(held: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(held, tmp_path / "x.safetensors")
    (found,) = read(tmp_path / "x.safetensors")
    torch.testing.assert_close(found, vectors(2))


def test_a_single_vector_is_a_list_of_one(tmp_path: Path) -> None:
    save_file({"<t>": vectors(1)[0].bfloat16()}, tmp_path / "x.safetensors")
    (found,) = read(tmp_path / "x.safetensors")
    assert found.shape == (1, 128)
    assert found.dtype == torch.float32


def framed(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def beyond_the_end() -> bytes:
    entry = {"dtype": "F32", "shape": [1, 128], "data_offsets": [0, 512]}
    return framed(json.dumps({"emb_params": entry}).encode(), b"\0" * 16)


def with_one(value: float) -> bytes:
    spoiled = vectors(2)
    spoiled[1, 5] = value
    return save({"emb_params": spoiled})


HOSTILE = {
    "cannot be read": [framed(b"{", b" " * 8), beyond_the_end()],
    "header is too long": [
        b"\x80\x04pickle of some kind",
        struct.pack("<Q", 1 << 62) + b"{}",
        framed(b" " * (65 << 10)),
    ],
    "too large or empty": [b"", b"\0" * 8, save({"emb_params": vectors(9000)})],
    "not finite": [with_one(float("nan")), with_one(float("inf")), with_one(-float("inf"))],
    "vectors; up to": [save({"e": vectors(VECTORS + 1)}), save({"e": torch.zeros(0, 128)})],
    "not a list of vectors": [
        save({"e": torch.zeros(2, 2, 128)}),
        save({"e": torch.zeros(())}),
        save({"e": torch.zeros(2, 128, dtype=torch.int64)}),
        save({"e": torch.zeros(2, 128, dtype=torch.float64)}),
    ],
    "not clear": [save({"a": vectors(1), "b": vectors(1)}), save({})],
    "too much": [save({str(one): vectors(1) for one in range(9)})],
}


@pytest.mark.parametrize(
    ("why", "held"),
    [(why, one) for why, many in HOSTILE.items() for one in many],
    ids=[f"{why} {place}" for why, many in HOSTILE.items() for place in range(len(many))],
)
def test_a_hostile_file_is_refused(why: str, held: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(held)
    with pytest.raises(Refusal, match=why):
        read(file)


def test_no_other_kind_of_file_is_opened(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="only safetensors"):
        read(tmp_path / "x.pt")


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be read"):
        read(tmp_path / "x.safetensors")
