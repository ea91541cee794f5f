"""An engine on the trained model, in this process, with what it sends kept in a list."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from farm.engine.memory.pool import Pool
from shared.catalog import Catalog, read_catalog
from shared.config import SHARED
from tests.farm.engine.desk import Desk


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """numpy 2 says this of torch 2.13, inside diffusers' schedulers; neither is ours to mend."""
    ours = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(ours)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return read_catalog(SHARED / "catalog.toml")


@pytest.fixture(scope="session")
def pool(catalog: Catalog) -> Pool:
    warm = Pool(catalog, device="cpu")
    warm.get("postcards")
    return warm


@pytest.fixture
def desk(pool: Pool, tmp_path: Path) -> Desk:
    return Desk(pool, tmp_path / "snapshots")


@pytest.fixture
def new_desk(pool: Pool, tmp_path: Path) -> Callable[..., Desk]:
    """Another worker on the same snapshots."""

    def make(**options: Any) -> Desk:
        return Desk(options.pop("pool", pool), tmp_path / "snapshots", **options)

    return make
