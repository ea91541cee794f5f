"""Adapters of the catalog: what a row may say, who may wear it, and where its weights lie."""

from pathlib import Path
from typing import Any

import pytest

from shared.adapters import KINDS, Adapter, read_adapter
from shared.catalog import FAMILIES, Catalog, read_catalog
from shared.config import ROOT, Settings
from shared.errors import Refusal
from shared.places import File, Folder, Repo

SHIPPED = Path(Settings.model_fields["catalog_file"].default)
ROW = {"kind": "lora", "family": "sdxl", "licence": "CC0", "folder": "somewhere"}
SHA256 = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog(SHIPPED)


def read(**changes: Any) -> Adapter:
    row = {field: value for field, value in (ROW | changes).items() if value is not None}
    return read_adapter("mine", row, FAMILIES)


# --- the shipped ones ------------------------------------------------------------------------


def test_the_postcards_adapters_are_in_the_shipped_catalog(catalog: Catalog) -> None:
    named = {name: (one.kind, one.family) for name, one in catalog.adapters.items()}
    assert named == {
        "sepia": ("lora", "sd15"),
        "neon": ("lora", "sd15"),
        "edges": ("controlnet", "sd15"),
    }
    for adapter in catalog.adapters.values():
        assert isinstance(adapter.weights, Folder)
        assert (adapter.weights.path / "manifest.json").exists()


def test_an_adapter_is_got_by_name_kind_and_family(catalog: Catalog) -> None:
    assert catalog.adapter("neon", kind="lora", family="sd15").title == "Neon"
    assert [one.name for one in catalog.fitting(kind="lora", family="sd15")] == ["sepia", "neon"]
    assert catalog.fitting(kind="lora", family="flux") == []


@pytest.mark.parametrize(
    ("name", "kind", "family", "code", "told"),
    [
        ("sepja", "lora", "sd15", "unknown_adapter", "no LoRA “sepja” here. Did you mean “sepia”?"),
        ("neon", "controlnet", "sd15", "unknown_adapter", "Did you mean “edges”?"),
        ("neon", "lora", "sdxl", "unfit_adapter", "another kind of checkpoint"),
        ("neon", "vae", "sd15", "unknown_adapter", "This checkpoint has no VAE."),
    ],
)
def test_what_does_not_fit_is_refused_with_the_nearest(
    catalog: Catalog, name: str, kind: str, family: str, code: str, told: str
) -> None:
    with pytest.raises(Refusal) as refused:
        catalog.adapter(name, kind=kind, family=family)
    assert refused.value.code == code
    assert refused.value.field == kind
    assert told in refused.value.sentence


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_word_for_people(kind: str) -> None:
    with pytest.raises(Refusal):
        Catalog({}, "").adapter("x", kind=kind, family="sd15")


# --- rows ------------------------------------------------------------------------------------


def test_what_a_row_leaves_out() -> None:
    adapter = read()
    assert adapter == Adapter(
        name="mine",
        title="mine",
        kind="lora",
        family="sdxl",
        weights=Folder(ROOT / "somewhere"),
        licence="CC0",
    )
    assert (adapter.plan, adapter.words, adapter.weight) == ("", (), 1.0)


def test_what_a_row_may_say() -> None:
    adapter = read(title="Mine", plan="pro", words=["ohwx", "style"], weight=0.7)
    assert (adapter.title, adapter.plan, adapter.weight) == ("Mine", "pro", 0.7)
    assert adapter.words == ("ohwx", "style")
    assert read(kind="controlnet", preprocessor="depth").preprocessor == "depth"


def test_the_three_places() -> None:
    single = read(folder=None, file="/models/mine.safetensors", sha256=SHA256)
    assert single.weights == File(Path("/models/mine.safetensors"), sha256=SHA256)
    vae = read(kind="vae", folder=None, file="mine.safetensors", config="vae")
    assert vae.weights == File(ROOT / "mine.safetensors", ROOT / "vae")
    assert read(folder=None, repo="acme/mine").weights == Repo("acme/mine")
    inside = read(folder=None, repo="acme/mine", revision="v1", path="models/a.safetensors")
    assert inside.weights == Repo("acme/mine", "v1", "models/a.safetensors")


def test_an_ip_adapter_brings_its_encoder() -> None:
    local = read(kind="ip-adapter", encoder="/models/clip")
    assert local.encoder == Folder(Path("/models/clip"))
    place = {"folder": None, "repo": "acme/ip", "revision": "v1", "path": "ip.safetensors"}
    fetched = read(kind="ip-adapter", **place, encoder="image_encoder")
    assert fetched.encoder == Repo("acme/ip", "v1", "image_encoder")


FILE = {"folder": None, "file": "a.safetensors"}
REPO = {"folder": None, "repo": "acme/mine"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "lycoris"}, "kind"),
        ({"kind": None}, "kind must be given"),
        ({"family": "sd9"}, "family"),
        ({"family": 3}, "family must be a text"),
        ({"licence": None}, "licence"),
        ({"wieght": 1}, "unknown fields: wieght"),
        ({"weight": "1"}, "weight"),
        ({"weight": True}, "weight"),
        ({"weight": 5}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"words": "ohwx"}, "words"),
        ({"words": [3]}, "words"),
        ({"folder": None}, "one of folder, file and repo"),
        ({"file": "a.safetensors"}, "one of folder, file and repo"),
        ({"sha256": SHA256}, "sha256 means nothing beside folder"),
        ({"path": "unet"}, "path means nothing beside folder"),
        (FILE | {"file": "a.ckpt"}, "file must be a .safetensors"),
        (FILE | {"sha256": SHA256.upper()}, "sha256"),
        (FILE | {"revision": "main"}, "revision means nothing beside file"),
        (FILE | {"kind": "vae"}, "config"),
        (FILE | {"kind": "controlnet"}, "config"),
        (REPO | {"config": "x"}, "config means nothing beside repo"),
        (REPO | {"repo": "mine"}, "repo"),
        (REPO | {"repo": "../../etc"}, "repo"),
        (REPO | {"repo": "acme/../x"}, "repo"),
        (REPO | {"revision": "../main"}, "revision"),
        (REPO | {"path": "../other.safetensors"}, "path"),
        (REPO | {"path": "/etc/passwd"}, "path"),
        ({"kind": "ip-adapter"}, "encoder"),
        ({"encoder": "clip"}, "encoder"),
        (REPO | {"kind": "ip-adapter", "encoder": "../clip"}, "path"),
        ({"preprocessor": "canny"}, "preprocessor"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match="adapter mine: ") as refused:
        read(**changes)
    assert named in str(refused.value)
