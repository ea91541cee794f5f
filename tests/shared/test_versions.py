"""--version and --niji: which checkpoint of the catalog they are."""

from dataclasses import replace

import pytest

from shared.catalog import Catalog, read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.prompt import parse
from shared.versions import check_unique, read_versions

SHIPPED = read_catalog(SHARED / "catalog.toml")
POSTCARDS = SHIPPED.get("postcards")
VERSIONS = {
    "old": ("5",),
    "new": ("9", "10"),
    "cute": ("niji 5",),
    "cuter": ("niji 6",),
    "other": (),
}
SHELF = Catalog(
    {name: replace(POSTCARDS, name=name, versions=told) for name, told in VERSIONS.items()}, "old"
)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("--v 5", "old"),
        ("--version 9", "new"),
        ("--v newest", "new"),
        ("--v latest", "new"),
        ("--niji", "cuter"),
        ("--niji 5", "cute"),
        ("--model Other", "other"),
    ],
)
def test_which_checkpoint_is_asked_for(typed: str, name: str) -> None:
    prompt = parse(f"a cat {typed}")
    found = SHELF.asked(prompt.model, prompt.version)
    assert found
    assert found.name == name


def test_nothing_asked_for_is_nobodys() -> None:
    assert SHELF.asked(None, None) is None


def test_the_shipped_checkpoint_has_a_version() -> None:
    assert SHIPPED.asked(None, "1") == SHIPPED.asked(None, "newest") == POSTCARDS


@pytest.mark.parametrize(
    ("typed", "code", "named"),
    [
        (
            "--v 7",
            "unknown_version",
            "--v 7. These exist: --v 5, --v 9, --v 10, --niji 5, --niji 6.",
        ),
        ("--niji 7", "unknown_version", "is --niji 7"),
        ("--model oth", "unknown_checkpoint", "Did you mean “other”"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(typed: str, code: str, named: str) -> None:
    prompt = parse(f"a cat {typed}")
    with pytest.raises(Refusal) as refused:
        SHELF.asked(prompt.model, prompt.version)
    assert refused.value.code == code
    assert named in refused.value.sentence


def test_a_farm_without_niji_says_so() -> None:
    with pytest.raises(Refusal, match=r"is --niji\. These exist: --v 1"):
        SHIPPED.asked(None, "niji")
    bare = Catalog({"other": SHELF.get("other")}, "other")
    for version in ("niji", "newest", "7"):
        with pytest.raises(Refusal, match="Choose a checkpoint by --model"):
            bare.asked(None, version)


@pytest.mark.parametrize("name", ["niji", "newest", "latest", "", "a b", "niji  6", "V6", "raw!"])
def test_a_version_that_nobody_could_type_stops_the_start(name: str) -> None:
    with pytest.raises(ValueError, match=r"such as 6\.1"):
        read_versions([name])


def test_no_two_checkpoints_share_a_version() -> None:
    check_unique(VERSIONS)
    with pytest.raises(ValueError, match="versions: 5 is more than one"):
        check_unique({**VERSIONS, "twin": ("5",)})
