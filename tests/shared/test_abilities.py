"""What a checkpoint cannot do is refused by name, before anything is drawn."""

from dataclasses import replace

import pytest

from shared.abilities import EVERY, TITLES, require_ability
from shared.catalog import FAMILIES, Checkpoint, read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.imageweight import LEAST_BLENDED, strength_of

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")


def of(family: str, **changes: object) -> Checkpoint:
    return replace(POSTCARDS, family=family, cannot=(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", FAMILIES)
def test_edges_meet_where_convolutions_draw(family: str) -> None:
    assert ("tile" in of(family).abilities) == (family in ("sd15", "sdxl"))


def test_a_distilled_flux_cannot_say_no() -> None:
    assert "negative" not in of("flux").abilities
    assert "negative" in of("flux", true_cfg=True).abilities


def test_a_row_of_the_catalog_takes_abilities_out() -> None:
    assert replace(of("sdxl"), cannot=("region",)).abilities == EVERY - {"region"}


@pytest.mark.parametrize("ability", sorted(EVERY))
def test_the_refusal_names_checkpoint_and_ability(ability: str) -> None:
    able = of("sdxl")
    require_ability(able, ability)
    with pytest.raises(Refusal) as refused:
        require_ability(replace(able, cannot=(ability,)), ability)
    assert refused.value.code == "unable"
    assert refused.value.field == ability
    assert able.title in refused.value.sentence
    assert TITLES[ability] in refused.value.sentence


def test_a_heavier_picture_is_redrawn_less() -> None:
    assert [round(strength_of(weight), 2) for weight in (0, 0.5, 1, 2, 3)] == [
        1,
        0.8,
        0.67,
        0.5,
        0.4,
    ]
    assert strength_of(3, pictures=2) == LEAST_BLENDED
    assert strength_of(0.5, pictures=2) == strength_of(0.5)
