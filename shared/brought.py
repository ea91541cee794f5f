"""LoRAs that people brought, as the catalog has its own. Pure."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from shared.adapters import Adapter
from shared.catalog import Catalog
from shared.lorarows import Lora
from shared.places import File


def stocked(catalog: Catalog, brought: Collection[Lora]) -> Catalog:
    """With what somebody may use besides, by name and by handle. The catalog's names win, then the first."""
    more: dict[str, Adapter] = {}
    for lora in brought:
        if lora.checkpoint in catalog.checkpoints:
            adapter = adapter_of(lora, catalog.checkpoints[lora.checkpoint].family)
            more.setdefault(lora.name, adapter)
            more[lora.handle] = adapter
    return replace(catalog, adapters=more | catalog.adapters)


def adapter_of(lora: Lora, family: str) -> Adapter:
    """As the desk needs it: where its file lies is the worker's to know."""
    return Adapter(
        name=lora.handle,
        title=lora.name,
        kind="lora",
        family=family,
        weights=File(Path(lora.key), sha256=lora.sha256),
        licence=lora.licence,
        words=(lora.trigger,) if lora.trigger else (),
    )
