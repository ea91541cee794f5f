from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from farm.engine.adapters.references import MOST, References, Use, read
from farm.engine.families import Conditioning, Reference, Wish
from farm.engine.steady import make_steady
from shared.errors import Fault, Refusal

WIDTH = 24  # of the text encodings


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def tiny_unet(family: str = "sd15") -> Any:
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
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }
    return UNet2DConditionModel(**plain | (sdxl if family == "sdxl" else {})).eval()


def tiny_encoder() -> Any:
    torch.manual_seed(1)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=32,
        projection_dim=20,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    return CLIPVisionModelWithProjection(config).eval()


def attention_weights(unet: Any, seed: int, width: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for place, name in enumerate(unet.attn_processors):
        if "attn2" in name:
            layer = unet.get_submodule(name.removesuffix(".processor"))
            for side in ("k", "v"):
                drawn = torch.randn(layer.inner_dim, width, generator=generator)
                weights[f"{place}.to_{side}_ip.weight"] = drawn
    return weights


def tiny_adapter(unet: Any, seed: int = 2, width: int = WIDTH) -> dict[str, dict[str, Tensor]]:
    """Four tokens for the whole picture."""
    generator = torch.Generator().manual_seed(seed)
    image = {
        "proj.weight": torch.randn(4 * width, 20, generator=generator),
        "proj.bias": torch.randn(4 * width, generator=generator),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.randn(width, generator=generator),
    }
    return {"image_proj": image, "ip_adapter": attention_weights(unet, seed, width)}


def tiny_plus(unet: Any) -> dict[str, dict[str, Tensor]]:
    """Six tokens that look at the encoder's patches, under the names of the published files."""
    torch.manual_seed(4)
    image = IPAdapterPlusImageProjection(
        embed_dims=32,
        output_dims=WIDTH,
        hidden_dims=64,
        depth=4,
        dim_head=64,
        heads=1,
        num_queries=6,
    ).state_dict()
    for layer in (f"layers.{place}.attn" for place in range(4)):
        pair = [image.pop(f"{layer}.to_{side}.weight") for side in ("k", "v")]
        image[f"{layer}.to_kv.weight"] = torch.cat(pair)
        image[f"{layer}.to_out.weight"] = image.pop(f"{layer}.to_out.0.weight")
    published = {
        ".ln0.": ".0.norm1.",
        ".ln1.": ".0.norm2.",
        ".attn.": ".0.",
        ".ff.0.": ".1.0.",
        ".ff.1.net.0.proj.": ".1.1.",
        ".ff.1.net.2.": ".1.3.",
    }
    for ours, theirs in published.items():
        image = {key.replace(ours, theirs): one for key, one in image.items()}
    return {"image_proj": image, "ip_adapter": attention_weights(unet, 4, WIDTH)}


def picture(seed: int) -> Image.Image:
    pixels = torch.randint(0, 255, (40, 52, 3), generator=torch.Generator().manual_seed(seed))
    return Image.fromarray(pixels.to(torch.uint8).numpy())


class Bench:
    """Rows of random numbers, a UNet with the adapters a, b and plus, and an untouched twin."""

    def __init__(self, family: str = "sd15") -> None:
        self.unet = tiny_unet(family)
        self.twin = deepcopy(self.unet)
        self.encoder = tiny_encoder()
        self.files = {
            "a": tiny_adapter(self.unet, 2),
            "b": tiny_adapter(self.unet, 3),
            "plus": tiny_plus(self.unet),
        }
        self.references = References(self.unet)
        for name, weights in self.files.items():
            self.references.put(name, weights, self.encoder)
        torch.manual_seed(5)
        self.latents, self.texts = torch.randn(6, 4, 8, 8), torch.randn(6, 5, WIDTH)
        self.moments = torch.tensor([900.0, 750.0, 500.0, 400.0, 300.0, 20.0])
        self.added: dict[str, Tensor] = {}
        if family == "sdxl":
            self.added = {"text_embeds": torch.randn(6, 16), "time_ids": torch.rand(6, 6) * 512}

    def wish(self, *uses: Use, towards: bool = True) -> Wish:
        texts = {"texts": self.texts[:1]}
        found = self.references.encode(uses)
        return Wish(texts, Conditioning(texts, texts, 4.0, references=found), towards, None, 0, 10)

    def draw(self, wishes: list[Wish]) -> Tensor:
        rows = len(wishes)
        laid = self.references.lay(wishes)
        added = {name: one[:rows] for name, one in self.added.items()}
        seen = [one[:rows] for one in (self.latents, self.moments, self.texts)]
        return self.unet(*seen, added_cond_kwargs=added, **self.references.kwargs(laid)).sample

    def plain(self, row: int) -> Tensor:
        """As the UNet draws it that never had an adapter."""
        added = {name: one[row : row + 1] for name, one in self.added.items()}
        seen = [one[row : row + 1] for one in (self.latents, self.moments, self.texts)]
        return self.twin(*seen, added_cond_kwargs=added).sample

    def alone(self, row: int, *uses: Use, towards: bool = True) -> Tensor:
        """As diffusers draws it: its own loading, encoding, projection and processors, one row."""
        pipeline = diffusers_pipeline(deepcopy(self.twin), self.encoder)
        pipeline.load_ip_adapter(
            [self.files[name] for name, _, _ in uses],
            subfolder=[""] * len(uses),
            weight_name=[""] * len(uses),
            image_encoder_folder=None,
        )
        pipeline.set_ip_adapter_scale([scale for _, _, scale in uses])
        embeds = pipeline.prepare_ip_adapter_image_embeds(
            [image for _, image, _ in uses], None, torch.device("cpu"), 1, True
        )
        told = [pair.chunk(2)[1 if towards else 0] for pair in embeds]
        added = {name: one[row : row + 1] for name, one in self.added.items()}
        seen = [one[row : row + 1] for one in (self.latents, self.moments, self.texts)]
        return pipeline.unet(*seen, added_cond_kwargs={**added, "image_embeds": told}).sample


def diffusers_pipeline(unet: Any, encoder: Any) -> Any:
    """Only what looking at a picture needs is real."""
    return StableDiffusionPipeline(
        vae=AutoencoderKL(block_out_channels=(4,), norm_num_groups=2),
        text_encoder=None,
        tokenizer=None,
        unet=unet,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        image_encoder=encoder,
        requires_safety_checker=False,
    )


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_rows_that_share_a_batch_are_drawn_as_diffusers_draws_each_alone(family: str) -> None:
    bench = Bench(family)
    whole, half = ("a", picture(1), 0.9), ("b", picture(2), 0.5)
    patches = ("plus", picture(3), 0.8)
    looks: list[tuple[tuple[Use, ...], bool]] = [
        ((whole,), True),
        ((whole,), False),
        ((half, whole), True),
        ((patches,), True),
        ((patches, half), False),
    ]
    drawn = bench.draw([*(bench.wish(*uses, towards=side) for uses, side in looks), bench.wish()])
    for row, (uses, side) in enumerate(looks):
        alone = bench.alone(row, *uses, towards=side)
        torch.testing.assert_close(drawn[row : row + 1], alone, atol=1e-4, rtol=0)
        assert (alone - bench.plain(row)).abs().max() > 0.01, "the picture says nothing"
    torch.testing.assert_close(drawn[5:], bench.plain(5), atol=1e-5, rtol=0)


def test_a_row_may_look_at_two_pictures_through_one_adapter() -> None:
    bench = Bench()
    uses: list[Use] = [("a", picture(1), 0.9), ("a", picture(2), 0.4)]
    drawn = bench.draw([bench.wish(), bench.wish(*uses)])
    torch.testing.assert_close(drawn[1:], bench.alone(1, *uses), atol=1e-4, rtol=0)


def test_a_row_without_a_picture_keeps_the_very_bits() -> None:
    bench = Bench()
    rows = [bench.wish(), bench.wish(("a", picture(1), 0.0))]
    assert bench.references.lay(rows) is None
    plain = bench.twin(bench.latents[:2], bench.moments[:2], bench.texts[:2]).sample
    assert torch.equal(bench.draw(rows), plain)
    mixed = bench.draw([bench.wish(), bench.wish(("a", picture(1), 1.0))])
    assert torch.equal(mixed[0], plain[0])


def test_a_row_keeps_its_bits_whatever_runs_beside_it() -> None:
    bench = Bench()
    make_steady(bench.unet)
    rows = [bench.wish(("a", picture(1), 0.9)), bench.wish()]
    more = [*rows, *[bench.wish(("a", picture(2), 0.6), ("plus", picture(3), 1.0))] * 4]
    assert torch.equal(bench.draw(rows)[0], bench.draw(more)[0])


def test_a_single_row_that_was_doubled_for_its_bits_is_drawn_alike() -> None:
    bench = Bench()
    wish = bench.wish(("a", picture(1), 0.9))
    laid = bench.references.lay([wish])
    seen = [one[:1].repeat(2, *[1] * (one.dim() - 1)) for one in (bench.latents, bench.texts)]
    drawn = bench.unet(
        seen[0], bench.moments[[0, 0]], seen[1], **bench.references.kwargs(laid)
    ).sample
    torch.testing.assert_close(drawn[:1], bench.draw([wish]), atol=1e-5, rtol=0)


def test_without_adapters_the_unet_is_what_it_was() -> None:
    bench = Bench()
    before = {name: type(one) for name, one in bench.twin.attn_processors.items()}
    assert bench.references.bytes > 0
    for name in ("a", "b", "plus"):
        bench.references.remove(name)
    assert not bench.references.names
    assert bench.references.bytes == 0
    assert {name: type(one) for name, one in bench.unet.attn_processors.items()} == before
    assert bench.unet.state_dict().keys() == bench.twin.state_dict().keys()
    with pytest.raises(Fault, match="not loaded"):
        bench.references.encode([("a", picture(1), 1.0)])


def test_rows_laid_for_an_adapter_that_is_gone_are_a_fault() -> None:
    bench = Bench()
    wish = bench.wish(("a", picture(1), 1.0))
    bench.references.remove("a")
    with pytest.raises(Fault, match="not loaded"):
        bench.references.lay([wish])


def test_more_pictures_than_there_is_room_for_are_refused() -> None:
    bench = Bench()
    uses: list[Use] = [("a", picture(seed), 1.0) for seed in range(MOST + 1)]
    with pytest.raises(Refusal, match=str(MOST)):
        bench.references.encode(uses)
    drawn = bench.draw([bench.wish(*uses[:MOST])])
    torch.testing.assert_close(drawn, bench.alone(0, *uses[:MOST]), atol=1e-4, rtol=0)


# --- files ---------------------------------------------------------------------------------------


def saved(weights: dict[str, dict[str, Tensor]], folder: Path) -> Path:
    flat = {f"{part}.{key}": one for part, ones in weights.items() for key, one in ones.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(flat, folder / "adapter.safetensors")
    return folder


def test_an_adapter_is_loaded_from_its_folder_and_shares_a_linked_encoder(tmp_path: Path) -> None:
    bench = Bench()
    for name in ("a", "b"):
        saved(bench.files[name], tmp_path / name)
    bench.encoder.save_pretrained(tmp_path / "a" / "image_encoder")
    (tmp_path / "b" / "image_encoder").symlink_to(tmp_path / "a" / "image_encoder")
    loaded = References(bench.unet)
    for name in ("a", "b"):
        loaded.load(name, tmp_path / name)
    assert loaded.adapters["a"].encoder is loaded.adapters["b"].encoder
    (once,) = loaded.encode([("a", picture(1), 0.5)])
    (same,) = bench.references.encode([("a", picture(1), 0.5)])
    assert isinstance(once, Reference)
    assert torch.equal(once.towards, same.towards)
    assert torch.equal(once.against, same.against)


def test_a_folder_that_is_not_an_adapter_is_a_fault(tmp_path: Path) -> None:
    bench = Bench()
    with pytest.raises(Fault, match="image_encoder"):
        bench.references.load("c", saved(bench.files["a"], tmp_path))
    (tmp_path / "adapter.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(Fault, match="cannot be read"):
        read(tmp_path / "adapter.safetensors")


def face_id() -> dict[str, dict[str, Tensor]]:
    """Reads a face's numbers, where the others read a picture."""
    sizes = {"proj.0.weight": (40, 20), "proj.2.weight": (4 * WIDTH, 40), "norm.weight": (WIDTH,)}
    image = {name: torch.zeros(size) for name, size in sizes.items()}
    image |= {f"{name}.bias": torch.zeros(image[f"{name}.weight"].shape[0]) for name in PLACES}
    return {"image_proj": image, "ip_adapter": tiny_adapter(tiny_unet())["ip_adapter"]}


PLACES = ("proj.0", "proj.2", "norm")


def test_an_adapter_that_needs_more_than_a_picture_is_a_fault() -> None:
    with pytest.raises(Fault, match="not supported"):
        References(tiny_unet()).put("a", face_id(), tiny_encoder())


def half_of(part: str) -> dict[str, dict[str, Tensor]]:
    weights = tiny_adapter(tiny_unet())
    weights[part] = dict(list(weights[part].items())[:2])
    return weights


@pytest.mark.parametrize(
    "weights",
    [
        half_of("image_proj"),
        half_of("ip_adapter"),
        tiny_adapter(tiny_unet(), width=WIDTH // 2),
        {"image_proj": {}, "ip_adapter": {}},
    ],
)
def test_weights_that_do_not_fit_are_a_fault_and_change_nothing(
    weights: dict[str, dict[str, Tensor]],
) -> None:
    unet = tiny_unet()
    before = {name: type(one) for name, one in unet.attn_processors.items()}
    references = References(unet)
    with pytest.raises(Fault):
        references.put("a", weights, tiny_encoder())
    assert not references.names
    assert {name: type(one) for name, one in unet.attn_processors.items()} == before
