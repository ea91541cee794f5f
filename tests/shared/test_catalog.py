"""The shipped catalog is whole, and a broken one is a Fault that names what is wrong."""

import re
from pathlib import Path

import pytest

from farm.postcards.vocabulary import known_words
from shared import adapters
from shared.catalog import (
    FAMILIES,
    SAMPLERS,
    Checkpoint,
    read_catalog,
    samplers_of,
    unknown_words,
)
from shared.checkpoints import FIELDS
from shared.config import ROOT, Settings
from shared.errors import Fault, Refusal
from shared.parameters import BY_FIELD
from shared.places import File, Folder, Repo

SHIPPED = Path(Settings.model_fields["catalog_file"].default)


@pytest.fixture(scope="module")
def postcards() -> Checkpoint:
    return read_catalog(SHIPPED).get("postcards")


def altered(tmp_path: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text()
    assert old in text
    target = tmp_path / "catalog.toml"
    target.write_text(text.replace(old, new))
    return target


def test_the_shipped_catalog_describes_the_postcards(postcards: Checkpoint) -> None:
    assert postcards.family == "sd15"
    assert postcards.weights == Folder(ROOT / "farm/postcards/weights/base")
    assert postcards.folder == ROOT / "farm/postcards/weights/base"
    assert postcards.sizes == ((64, 64), (96, 64), (64, 96))
    assert (postcards.native, postcards.multiple, postcards.scale) == (64, 8, 8)
    assert postcards.pixel_art
    assert (postcards.steps, postcards.min_steps, postcards.guidance) == (12, 6, 4.0)
    assert postcards.sampler == "dpm++2m-karras"
    assert set(postcards.samplers) == set(samplers_of("sd15"))
    assert postcards.detectors == ("world",)


def test_grammar_and_engine_speak_of_the_same_samplers() -> None:
    assert BY_FIELD["sampler"].choices == SAMPLERS


def test_examples_use_only_words_the_checkpoint_knows(postcards: Checkpoint) -> None:
    for example in postcards.examples:
        assert unknown_words(example.partition(" --")[0], postcards) == ()


def test_the_words_file_is_what_training_used(postcards: Checkpoint) -> None:
    stale = postcards.known_words ^ known_words()
    assert not stale, "write farm.postcards.vocabulary.known_words() to words.txt anew"


def test_unknown_words_come_in_order_and_once(postcards: Checkpoint) -> None:
    text = "A DRAGON and a red sailboat, a dragon with a wyvern in 8-bit"
    assert unknown_words(text, postcards) == ("dragon", "wyvern")


def test_a_checkpoint_without_a_words_file_knows_all(tmp_path: Path) -> None:
    path = altered(tmp_path, 'words = "farm/postcards/words.txt"', "")
    assert unknown_words("a dragon", read_catalog(path).get("postcards")) == ()


def test_a_checkpoint_without_a_floor_of_steps_draws_with_one(tmp_path: Path) -> None:
    path = altered(tmp_path, "min_steps = 6", "")
    assert read_catalog(path).get("postcards").min_steps == 1


LOADING = """
dtype = "bfloat16"
tier = "hot"
vae = "soft"
refiner = true
compile = true
components_off = ["image_encoder"]
vram_gb = 2.5
"""
SOFT = """
[adapters.soft]
kind = "vae"
family = "sd15"
licence = "MIT"
folder = "soft"
"""


def test_what_a_row_may_say_about_loading(tmp_path: Path, postcards: Checkpoint) -> None:
    assert (postcards.dtype, postcards.tier, postcards.vae) == ("auto", "warm", "")
    path = altered(tmp_path, "steps = 12", f"steps = 12{LOADING}")
    path.write_text(path.read_text() + SOFT)
    told = read_catalog(path).get("postcards")
    assert (told.dtype, told.tier, told.vae) == ("bfloat16", "hot", "soft")
    assert told.refiner
    assert told.compile
    assert (told.components_off, told.vram_gb) == (("image_encoder",), 2.5)


FOLDER = 'folder = "farm/postcards/weights/base"'


def test_a_checkpoint_comes_from_a_file_or_a_repository(tmp_path: Path) -> None:
    single = altered(tmp_path, FOLDER, 'file = "/m/a.safetensors"\nconfig = "/m/config"')
    told = read_catalog(single).get("postcards")
    assert told.weights == File(Path("/m/a.safetensors"), Path("/m/config"))
    assert told.folder == Path("/m/config")
    fetched = read_catalog(altered(tmp_path, FOLDER, 'repo = "acme/model"\nrevision = "v1"'))
    assert fetched.get("postcards").weights == Repo("acme/model", "v1")
    with pytest.raises(Fault, match="postcards"):
        _ = fetched.get("postcards").folder


def test_flow_matching_and_diffusion_share_no_sampler() -> None:
    shared = set(samplers_of("sdxl")) & set(samplers_of("flux"))
    assert not shared
    assert {name for family in FAMILIES for name in samplers_of(family)} == set(SAMPLERS)


def test_a_flux_row(tmp_path: Path) -> None:
    more = 'sampler = "flow-euler"\nmax_sequence_length = 256\ntrue_cfg = true'
    path = altered(tmp_path, 'sampler = "dpm++2m-karras"', more)
    path.write_text(path.read_text().replace('family = "sd15"', 'family = "flux"', 1))
    path.write_text(path.read_text().replace("lora = ", "words = "))  # those are of sd15
    flux = read_catalog(path).get("postcards")
    assert (flux.true_cfg, flux.max_sequence_length) == (True, 256)
    assert set(flux.samplers) == set(samplers_of("flux"))


def test_an_unknown_checkpoint_names_the_nearest() -> None:
    with pytest.raises(Refusal, match="postcards") as refused:
        read_catalog(SHIPPED).get("poscard")
    assert refused.value.code == "unknown_checkpoint"
    assert refused.value.field == "checkpoint"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('default = "postcards"', 'default = "other"', "other"),
        ("native = 64 ", "native = 60 ", "60x60"),
        ("native = 64 ", "native = 0 ", "native"),
        ("native = 64 ", "nativ = 64 ", "nativ"),
        ("steps = 12", "steps = 12\nstep = 9", "unknown fields: step"),
        ("steps = 12", "", "steps"),
        ("steps = 12", "steps = 0", "steps"),
        ("min_steps = 6", "min_steps = 0", "min_steps"),
        ("min_steps = 6", "min_steps = 13", "min_steps"),
        ("guidance = 4.0", "guidance = nan", "guidance"),
        ('family = "sd15"', 'family = "sd9"', "family"),
        ('sampler = "dpm++2m-karras"', 'sampler = "magic"', "sampler"),
        ('sampler = "dpm++2m-karras"', 'sampler = "ddim"\nsamplers = ["dddim"]', "dddim"),
        ("max_area = 6144", "max_area = 4096", "96x64"),
        ('"96x64"', '"96by64"', "96by64"),
        ('"96x64"', '"-96x64"', "-96x64"),
        ('"world"]', '"world"', "array"),
        ('["world"]', '"world"', "detectors"),
        ("words.txt", "no-words.txt", "no-words.txt"),
        ("steps = 12", 'steps = "12"', "steps must be a whole number"),
        ("steps = 12", "steps = 12.5", "steps must be a whole number"),
        ("pixel_art = true", 'pixel_art = "no"', "pixel_art must be true or false"),
        ("steps = 12", 'steps = 12\ndtype = "float8"', "dtype"),
        ("steps = 12", 'steps = 12\ntier = "tepid"', "tier"),
        ("steps = 12", 'steps = 12\nvae = "soft"', "vae"),
        ("steps = 12", 'steps = 12\nvae = "neon"', "vae"),
        ("steps = 12", "steps = 12\nrefiner = 1", "refiner"),
        ("steps = 12", "steps = 12\nvram_gb = -1", "vram_gb"),
        ("steps = 12", "steps = 12\nvram_gb = inf", "vram_gb"),
        ("steps = 12", 'steps = 12\ncomponents_off = ["unet"]', "components_off"),
        ("steps = 12", "steps = 12\nmax_sequence_length = 77", "max_sequence_length"),
        ("steps = 12", "steps = 12\nmax_sequence_length = 513", "max_sequence_length"),
        ("steps = 12", "steps = 12\ntrue_cfg = true", "true_cfg"),
        ("steps = 12", 'steps = 12\nsamplers = ["flow-euler"]', "samplers"),
        (FOLDER, "", "one of folder, file and repo"),
        (FOLDER, f'{FOLDER}\nrepo = "acme/x"', "one of folder, file and repo"),
        (FOLDER, 'file = "a.ckpt"\nconfig = "c"', "file must be a .safetensors"),
        (FOLDER, 'file = "a.safetensors"', "file needs a config folder"),
        (FOLDER, 'repo = "acme/x"\npath = "unet"', "path"),
        ("[adapters.neon]", "[adapter.neon]", "unknown tables: adapter"),
        ('kind = "controlnet"', 'kind = "net"', "adapter edges: kind"),
    ],
)
def test_a_broken_catalog_is_a_fault_that_says_why(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    with pytest.raises(Fault, match="cannot be used") as fault:
        read_catalog(altered(tmp_path, old, new))
    assert fault.value.code == "catalog_unreadable"
    assert named in fault.value.sentence


def test_a_missing_catalog_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="catalog"):
        read_catalog(tmp_path / "none.toml")


REFERENCE = (ROOT / "docs" / "catalog.md").read_text()


def test_the_reference_explains_every_field() -> None:
    explained = set(re.findall(r"`(\w+)`", REFERENCE))
    assert explained >= FIELDS | adapters.FIELDS


def test_the_examples_of_the_reference_are_a_catalog(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(\[(?:checkpoints|adapters)\..*?)```", REFERENCE, re.DOTALL)
    target = tmp_path / "catalog.toml"
    target.write_text('default = "postcards"\n' + "\n".join(examples))
    catalog = read_catalog(target)
    assert {one.kind for one in catalog.adapters.values()} == set(adapters.KINDS)
    places = {type(one.weights) for one in catalog.checkpoints.values()}
    assert places == {Folder, File, Repo}
