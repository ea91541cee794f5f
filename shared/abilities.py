"""What a checkpoint can do beyond a plain picture: what its family can, less what its row says it cannot."""

from typing import Protocol

from shared.errors import Refusal

# How each is asked for, as a sentence names it.
TITLES = {
    "chaos": "--chaos",
    "weird": "--weird",
    "tile": "--tile",
    "hires": "--hires",
    "negative": "--no",
    "pictures": "a picture in the prompt",
    "region": "a region named in words",
}
EVERY = frozenset(TITLES)
# Edges meet where convolutions alone say what is beside what; a transformer knows each place by name.
BY_FAMILY = {
    "sd15": EVERY,
    "sdxl": EVERY,
    "sd3": EVERY - {"tile"},
    "flux": EVERY
    - {"tile", "region"},  # distilled: what a text leaves out hardly changes its answer
}
HINTS = {
    "tile": " Choose a checkpoint of the kind sd15 or sdxl for it.",
    "region": " Mark the place by its cells instead.",
    "negative": " Say what you want to see instead.",
}


class Able(Protocol):
    """A checkpoint of the catalog."""

    @property
    def title(self) -> str: ...
    @property
    def abilities(self) -> frozenset[str]: ...


def require_ability(checkpoint: Able, ability: str, *, field: str = "") -> None:
    """Refusal `unable` that names what this checkpoint cannot do; `field` is the ability's by default."""
    if ability not in checkpoint.abilities:
        sentence = f"{checkpoint.title} cannot do {TITLES[ability]}.{HINTS.get(ability, '')}"
        raise Refusal("unable", sentence.strip(), field=field or ability)
