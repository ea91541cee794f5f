"""What somebody prefers, named as the catalog and the grammar have it: one reader for each. Pure."""

from dataclasses import replace

from shared.catalog import Catalog
from shared.errors import Refusal
from shared.parameters import BY_FIELD
from shared.preferences import Preferences
from shared.values import read


def with_model(chosen: Preferences, name: str, catalog: Catalog) -> Preferences:
    """An empty name or a dash: the usual one. Refusal that names the nearest."""
    name = _named(name)
    return replace(chosen, model=catalog.get(name).name if name else "")


def with_style(chosen: Preferences, name: str, catalog: Catalog) -> Preferences:
    """Of any model; an empty name or a dash: none."""
    name = _named(name)
    known = {style for one in catalog.checkpoints.values() for style in one.styles}
    if name and name not in known:
        sentence = f"There is no style “{name[:40]}” here. There are: {', '.join(sorted(known))}."
        raise Refusal("unknown_style", sentence, field="style")
    return replace(chosen, style=name)


def with_aspect(chosen: Preferences, ratio: str) -> Preferences:
    """As --ar takes it; an empty one: the model's own."""
    aspect = read(BY_FIELD["aspect"], ratio, position=1) if ratio.strip() else None
    return replace(chosen, aspect=aspect)


def _named(text: str) -> str:
    return text.strip().strip("-")
