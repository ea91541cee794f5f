"""From a row of the catalog to a loaded family: the postcards, from each place that weights lie in."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import nn

from farm.engine.families import loader
from farm.engine.weights import checkpoints, manifest
from shared.adapters import Adapter
from shared.catalog import FAMILIES, Catalog, Checkpoint
from shared.errors import Fault
from shared.places import File, Folder, Repo
from tests.farm.engine.original import write_original
from tests.farm.engine.weights.test_whereabouts import keep

UNET = Path("unet/diffusion_pytorch_model.safetensors")
VAE = Path("vae/diffusion_pytorch_model.safetensors")


@pytest.fixture(scope="module")
def postcards(catalog: Catalog) -> Checkpoint:
    return catalog.get("postcards")


@pytest.fixture(scope="module")
def plain(postcards: Checkpoint) -> checkpoints.Loaded:
    return load(postcards)


@pytest.fixture
def copied(postcards: Checkpoint, tmp_path: Path) -> Checkpoint:
    """The trained checkpoint in a folder that a test may spoil."""
    folder = tmp_path / "weights"
    shutil.copytree(postcards.folder, folder)
    return replace(postcards, weights=Folder(folder))


def load(checkpoint: Checkpoint, **options: Any) -> checkpoints.Loaded:
    return checkpoints.load(checkpoint, device="cpu", **options)


def refused(checkpoint: Checkpoint, **options: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        load(checkpoint, **options)
    return caught.value


def tensors_of(loaded: checkpoints.Loaded) -> dict[str, torch.Tensor]:
    parts = loaded.family.modules.items()
    return {f"{name}.{key}": one for name, part in parts for key, one in part.state_dict().items()}


def assert_same(one: checkpoints.Loaded, other: checkpoints.Loaded) -> None:
    ours, theirs = tensors_of(one), tensors_of(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


# --- places ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def single(postcards: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("single") / "postcards.safetensors"
    write_original(postcards.folder, path)
    return path


def test_a_single_file_gives_the_same_model(
    postcards: Checkpoint, plain: checkpoints.Loaded, single: Path
) -> None:
    loaded = load(replace(postcards, weights=File(single, postcards.folder)))
    assert_same(loaded, plain)
    assert loaded.sha256 != plain.sha256


def test_a_repository_of_the_cache_gives_the_same_model(
    postcards: Checkpoint,
    plain: checkpoints.Loaded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    keep(tmp_path / "models--acme--postcards", postcards.folder)
    loaded = load(replace(postcards, weights=Repo("acme/postcards")))
    assert_same(loaded, plain)
    assert loaded.sha256 == plain.sha256


def test_the_digest_stands_for_every_byte(copied: Checkpoint, plain: checkpoints.Loaded) -> None:
    (copied.folder / "note.txt").write_text("another file")
    manifest.write(copied.folder)
    assert load(copied).sha256 != plain.sha256


# --- what is refused -------------------------------------------------------------------------


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / UNET).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / UNET).write_bytes(data)


def add_a_file(folder: Path) -> None:
    (folder / "vae" / "more.safetensors").write_bytes(b"")


def add_a_pickle(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"")


def lose_the_index(folder: Path) -> None:
    (folder / "model_index.json").unlink()
    manifest.write(folder)


def call_it_another_family(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    changed = index | {"_class_name": "StableDiffusionXLPipeline"}
    (folder / "model_index.json").write_text(json.dumps(changed))
    manifest.write(folder)


def cut_it_short(folder: Path) -> None:
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:1000])
    manifest.write(folder)


def lose_the_weights(folder: Path) -> None:
    (folder / UNET).unlink()
    manifest.write(folder)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (flip_a_bit, "weights_altered"),
        (add_a_file, "weights_altered"),
        (add_a_pickle, "weights_unsafe"),
        (lose_the_index, "weights_unfit"),
        (call_it_another_family, "weights_unfit"),
        (cut_it_short, "weights_unreadable"),
        (lose_the_weights, "weights_unreadable"),
    ],
)
def test_what_is_not_whole_or_not_safe_is_not_loaded(
    copied: Checkpoint, spoil: Callable[[Path], None], code: str
) -> None:
    spoil(copied.folder)
    assert refused(copied).code == code


def test_a_single_file_that_lacks_a_tensor_is_not_loaded(
    postcards: Checkpoint, single: Path, tmp_path: Path
) -> None:
    tensors = load_file(single)
    del tensors["model.diffusion_model.input_blocks.2.0.op.weight"]
    save_file(tensors, tmp_path / "less.safetensors")
    broken = replace(postcards, weights=File(tmp_path / "less.safetensors", postcards.folder))
    assert refused(broken).code == "weights_unreadable"


def test_a_missing_folder_is_named(postcards: Checkpoint, tmp_path: Path) -> None:
    gone = replace(postcards, weights=Folder(tmp_path / "nowhere"))
    assert "nowhere" in refused(gone).sentence


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(Fault, match="dreams"):
        loader("dreams")


# --- what a row asks for ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "device", "bfloat16", "chosen"),
    [
        ("auto", "cpu", False, torch.float32),
        ("auto", "cuda:0", True, torch.bfloat16),
        ("auto", "cuda", False, torch.float16),
        ("float16", "cuda:0", True, torch.float16),
        ("float32", "cuda:0", True, torch.float32),
        ("bfloat16", "cpu", False, torch.bfloat16),
    ],
)
def test_the_row_chooses_the_dtype_and_else_the_device(
    wanted: str, device: str, bfloat16: bool, chosen: torch.dtype
) -> None:
    assert checkpoints.dtype_for(wanted, device, bfloat16=bfloat16) is chosen


def test_the_dtype_is_the_callers_then_the_rows(postcards: Checkpoint) -> None:
    named = load(replace(postcards, dtype="bfloat16"))
    assert named.dtype is named.family.dtype is torch.bfloat16
    told = load(replace(postcards, dtype="bfloat16"), dtype=torch.float32)
    assert told.dtype is told.family.dtype is torch.float32


def test_the_bytes_are_those_of_the_tensors(plain: checkpoints.Loaded) -> None:
    positions = 77 * 8  # whole numbers that CLIP keeps beside its weights
    assert plain.bytes == sum(one.nbytes for one in tensors_of(plain).values()) + positions


def test_shared_memory_counts_once_and_whole() -> None:
    first, second = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
    second.weight = first.weight
    third = nn.Linear(2, 2, bias=False)
    third.weight = nn.Parameter(torch.zeros(100)[:4].view(2, 2))
    modules = {"one": first, "two": second, "three": third}
    assert checkpoints.bytes_of(modules) == (8 * 8 + 100) * 4


@pytest.fixture
def other_vae(postcards: Checkpoint, tmp_path: Path) -> Adapter:
    folder = tmp_path / "vae"
    shutil.copytree(postcards.folder / "vae", folder)
    path = folder / VAE.name
    save_file({name: one * 0.5 for name, one in load_file(path).items()}, path)
    place = Folder(folder)
    return Adapter(
        name="soft", title="Soft", kind="vae", family="sd15", weights=place, licence="Apache-2.0"
    )


def test_a_checkpoint_wears_the_vae_of_its_row(
    postcards: Checkpoint, other_vae: Adapter, single: Path
) -> None:
    own = replace(postcards, weights=File(single, postcards.folder))
    worn = load(replace(own, vae="soft"), adapters={"soft": other_vae})
    assert isinstance(other_vae.weights, Folder)
    stored = load_file(other_vae.weights.path / VAE.name)
    assert all(
        torch.equal(tensors_of(worn)[f"vae.{name}"], stored[name].float()) for name in stored
    )
    assert worn.sha256 != load(own).sha256


def test_a_folder_is_given_the_vae_of_its_row(
    postcards: Checkpoint, other_vae: Adapter, asked: dict[str, Any]
) -> None:
    load(replace(postcards, vae="soft"), adapters={"soft": other_vae})
    assert isinstance(asked["vae"], AutoencoderKL)


def test_a_vae_that_nobody_gave_is_a_fault(postcards: Checkpoint) -> None:
    assert refused(replace(postcards, vae="soft")).code == "weights_missing"


def test_a_vae_from_a_single_file(postcards: Checkpoint, other_vae: Adapter) -> None:
    config = postcards.folder / "vae"
    single = replace(other_vae, weights=File(config / VAE.name, config))
    part, weights = checkpoints.load_part(single, device="cpu", dtype=torch.float32)
    assert isinstance(part, AutoencoderKL)
    assert not part.training
    stored = load_file(config / VAE.name)
    assert all(torch.equal(part.state_dict()[name], stored[name].float()) for name in stored)
    assert weights.path == config / VAE.name


def test_the_postcards_controlnet_is_a_part(catalog: Catalog) -> None:
    adapter = catalog.adapter("edges", kind="controlnet", family="sd15")
    part, _ = checkpoints.load_part(adapter, device="cpu", dtype=torch.float32)
    assert type(part).__name__ == "ControlNetModel"


def test_a_part_is_of_a_class_that_its_kind_can_be(catalog: Catalog, other_vae: Adapter) -> None:
    edges = catalog.adapter("edges", kind="controlnet", family="sd15")
    for wrong in (replace(other_vae, weights=edges.weights), replace(edges, kind="lora")):
        with pytest.raises(Fault) as caught:
            checkpoints.load_part(wrong, device="cpu", dtype=torch.float32)
        assert caught.value.code == "weights_unfit"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a family's `load` is asked for; it gives an empty family."""
    told: dict[str, Any] = {}

    def load_folder(folder: Path, **options: Any) -> Any:
        told.update(options)
        return SimpleNamespace(modules={})

    monkeypatch.setattr(checkpoints, "loader", lambda _: load_folder)
    return told


def as_family(copied: Checkpoint, family: str, pipeline: str) -> Checkpoint:
    index = json.loads((copied.folder / "model_index.json").read_text())
    (copied.folder / "model_index.json").write_text(json.dumps(index | {"_class_name": pipeline}))
    manifest.write(copied.folder)
    return replace(copied, family=family)


def test_what_is_left_out_is_left_out_with_its_tokenizer(
    copied: Checkpoint, asked: dict[str, Any]
) -> None:
    whole = as_family(copied, "sd3", "StableDiffusion3Pipeline")
    before = load(whole).sha256
    assert set(asked) == {"device", "dtype"}
    less = replace(whole, components_off=("text_encoder_3",), max_sequence_length=77)
    assert load(less).sha256 != before
    del asked["device"], asked["dtype"]
    assert asked == {"text_encoder_3": None, "tokenizer_3": None, "text_length": 77}


def test_true_guidance_is_asked_for(copied: Checkpoint, asked: dict[str, Any]) -> None:
    load(replace(as_family(copied, "flux", "FluxPipeline"), true_cfg=True))
    assert asked["true_cfg"] is True


@pytest.mark.parametrize(
    ("pipeline", "family"),
    [
        ("StableDiffusionInpaintPipeline", "sd15"),
        ("LatentConsistencyModelPipeline", "sd15"),
        ("StableDiffusionXLImg2ImgPipeline", "sdxl"),
        ("StableDiffusion3Pipeline", "sd3"),
        ("FluxFillPipeline", "flux"),
        ("KandinskyPipeline", ""),
    ],
)
def test_a_folder_is_loaded_by_its_own_family_only(
    copied: Checkpoint, asked: dict[str, Any], pipeline: str, family: str
) -> None:
    for one in FAMILIES:
        given = as_family(copied, one, pipeline)
        if one == family:
            assert load(given).name == "postcards"
        else:
            assert refused(given).code == "weights_unfit"


# --- compiling -------------------------------------------------------------------------------


def compiled_blocks(model: nn.Module) -> list[str]:
    return [type(one).__name__ for one in model.modules() if one._compiled_call_impl is not None]


def test_the_repeated_blocks_are_compiled_where_the_row_asks(
    postcards: Checkpoint, plain: checkpoints.Loaded
) -> None:
    assert compiled_blocks(plain.family.modules["unet"]) == []
    asked = load(replace(postcards, compile=True))
    assert set(compiled_blocks(asked.family.modules["unet"])) == {"BasicTransformerBlock"}


@pytest.fixture
def tiny() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8,),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("UpBlock2D",),
        mid_block_type=None,
    ).eval()


@torch.inference_mode()
def test_a_compiled_model_draws_the_same_for_any_number_of_rows(tiny: Any) -> None:
    inputs = [(torch.randn(n, 4, 8, 8), torch.arange(n), torch.randn(n, 3, 8)) for n in (2, 3, 4)]
    plain = [tiny(*one, return_dict=False)[0] for one in inputs]
    checkpoints.compile_blocks(SimpleNamespace(modules={"unet": tiny}), backend="eager")
    torch._dynamo.reset()
    compiled = [tiny(*one, return_dict=False)[0] for one in inputs]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    for one, other in zip(plain, compiled, strict=True):
        torch.testing.assert_close(one, other)


def test_the_blocks_of_sd3_are_named_for_diffusers() -> None:
    transformer = SD3Transformer2DModel(
        sample_size=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=1,
        joint_attention_dim=8,
        caption_projection_dim=8,
        pooled_projection_dim=8,
        pos_embed_max_size=4,
    )
    family = SimpleNamespace(modules={"transformer": transformer})
    checkpoints.compile_blocks(family, backend="eager")
    assert compiled_blocks(transformer) == ["JointTransformerBlock"] * 2
