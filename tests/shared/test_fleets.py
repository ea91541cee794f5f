from dataclasses import replace

import pytest

from shared.catalog import Catalog, read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.fleets import check_fits, needed_bytes
from shared.spec import Refiner, RenderSpec, WeightedText
from shared.workers import Memory

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
GIB = 2**30


def catalog_of(**gib: float) -> Catalog:
    rows = {
        name: replace(POSTCARDS, name=name, title=name.title(), vram_gb=size)
        for name, size in gib.items()
    }
    return Catalog(rows, next(iter(rows)))


CATALOG = catalog_of(large=10.0, small=2.0, medium=6.0, unknown=0.0)


def spec_of(checkpoint: str = "large", *, refiner: str = "", steps: int = 12) -> RenderSpec:
    return RenderSpec(
        checkpoint=checkpoint,
        texts=(WeightedText("a boat"),),
        negative="",
        width=64,
        height=64,
        steps=steps,
        guidance=4.0,
        sampler="dpm++2m-karras",
        seed=7,
        images=4,
        scale=8,
        refiner=Refiner(refiner) if refiner else None,
    )


def fleet(*gib: float) -> list[Memory]:
    return [Memory(f"GPU {size:g}", int(size * GIB)) for size in gib]


def refused(spec: RenderSpec, *gib: float, catalog: Catalog = CATALOG) -> str:
    with pytest.raises(Refusal) as refusal:
        check_fits(spec, catalog, fleet(*gib))
    assert refusal.value.code == "no_gpu_large_enough"
    return refusal.value.sentence


def test_a_refusal_names_the_need_the_largest_there_is_and_what_would_fit() -> None:
    assert refused(spec_of(), 4, 7.5, 3) == (
        "Large needs 10.0 GB of GPU memory, and the largest GPU here, GPU 7.5, has 7.5 GB for it."
        " Would fit: Medium, Small, Unknown."
    )


def test_where_nothing_would_fit_an_operator_is_asked() -> None:
    sentence = refused(spec_of(), 4, catalog=catalog_of(large=10.0, larger=11.0))
    assert sentence.endswith("Ask an operator for a larger one.")


def test_a_checkpoint_that_only_ends_pictures_is_no_way_out() -> None:
    ends = replace(CATALOG.get("small"), refiner=True)
    catalog = replace(CATALOG, checkpoints=CATALOG.checkpoints | {"small": ends})
    assert refused(spec_of(), 4, catalog=catalog).endswith("Would fit: Unknown.")


def test_a_refiner_stands_beside_its_base() -> None:
    check_fits(spec_of("medium"), CATALOG, fleet(7))
    assert "Medium with Small needs 8.0 GB" in refused(spec_of("medium", refiner="small"), 7)
    check_fits(spec_of("medium", refiner="small"), CATALOG, fleet(8))


@pytest.mark.parametrize("gib", [(), (0,), (4, 0), (4, 10), (10,)])
def test_one_that_fits_or_may_fit_or_may_come_is_enough(gib: tuple[float, ...]) -> None:
    check_fits(spec_of(), CATALOG, fleet(*gib))


def test_what_is_not_known_or_not_drawn_needs_nothing() -> None:
    assert needed_bytes(spec_of("unknown"), CATALOG) == 0
    assert needed_bytes(spec_of(steps=0), CATALOG) == 0
    check_fits(spec_of("unknown"), CATALOG, fleet(1))
    check_fits(spec_of(steps=0), CATALOG, fleet(1))
