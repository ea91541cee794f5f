"""Checkpoints and adapters by name: what `catalog.toml` says there is."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from shared import versions
from shared.adapters import TITLES, Adapter, read_adapter
from shared.checkpoints import FAMILIES as FAMILIES
from shared.checkpoints import SAMPLERS as SAMPLERS
from shared.checkpoints import Checkpoint as Checkpoint
from shared.checkpoints import Size as Size
from shared.checkpoints import read_checkpoint
from shared.checkpoints import samplers_of as samplers_of
from shared.errors import Fault, Refusal
from shared.places import require

MOST_NAMED = 12
_WORD = re.compile(r"[^\W\d_]+|\d+")


@dataclass(frozen=True, slots=True)
class Catalog:
    """An adapter that somebody brought is there under two names, and its own `name` is the one for recipes."""

    checkpoints: dict[str, Checkpoint]
    default: str
    adapters: dict[str, Adapter] = field(default_factory=dict)

    def get(self, name: str) -> Checkpoint:
        for known, checkpoint in self.checkpoints.items():
            if known.casefold() == name.casefold():
                return checkpoint
        raise self._unknown(name)

    def asked(self, model: str | None, version: str | None) -> Checkpoint | None:
        """What --model, --version or --niji call it; None where none of them was said. Refusal for a name that
        nothing here has."""
        if model:
            return self.get(model)
        if version:
            called = {one.name: one.versions for one in self.checkpoints.values()}
            return self.checkpoints[versions.find(version, called)]
        return None

    def adapter(self, name: str, *, kind: str, family: str) -> Adapter:
        """Refusal that names the nearest one of this kind that this family can wear."""
        fitting = self.fitting(kind=kind, family=family)
        for known, adapter in self.adapters.items():
            if known.casefold() == name.casefold() and adapter in fitting:
                return adapter
        raise self._unfit(name, kind=kind, fitting=fitting)

    def fitting(self, *, kind: str, family: str) -> list[Adapter]:
        every = self.adapters.values()
        return [one for one in every if one.kind == kind and one.family == family]

    def _called(self, those: list[Adapter]) -> list[str]:
        """What people write for each of them."""
        called: dict[str, str] = {}
        for known, adapter in self.adapters.items():
            if adapter in those:
                called.setdefault(adapter.name, known)
        return list(called.values())

    def _unknown(self, name: str) -> Refusal:
        nearest = get_close_matches(name, self.checkpoints, n=1, cutoff=0.0)[0]
        sentence = f"There is no checkpoint “{name[:40]}” here. Did you mean “{nearest}”?"
        return Refusal("unknown_checkpoint", sentence, field="checkpoint")

    def _unfit(self, name: str, *, kind: str, fitting: list[Adapter]) -> Refusal:
        known = self.adapters.get(name)
        fits = known is not None and known.kind == kind
        sentence = f"There is no {TITLES[kind]} “{name[:40]}” here."
        if fits:
            sentence = f"The {TITLES[kind]} “{name}” is made for another kind of checkpoint."
        names = self._called(fitting)
        nearest = get_close_matches(name, names, n=1, cutoff=0.0)
        none = f"This checkpoint has no {TITLES[kind]}."
        others = ", ".join(names[:MOST_NAMED])
        advice = f"Did you mean “{nearest[0]}”? These fit: {others}." if nearest else none
        code = "unfit_adapter" if fits else "unknown_adapter"
        return Refusal(code, f"{sentence} {advice}", field=kind)


def read_catalog(path: Path) -> Catalog:
    """Reads `catalog.toml`; a missing, unknown or impossible field is a Fault that names it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        stray = set(raw) - {"default", "checkpoints", "adapters"}
        require(not stray, f"unknown tables: {', '.join(sorted(stray))}")
        rows = raw.get("adapters", {}).items()
        adapters = {name: read_adapter(name, row, FAMILIES) for name, row in rows}
        checkpoints = {name: read_checkpoint(name, row) for name, row in raw["checkpoints"].items()}
        default = str(raw["default"])
        require(default in checkpoints, f"default names {default!r}, which is not in it")
        for checkpoint in checkpoints.values():
            _check_vae(checkpoint, adapters)
            _check_styles(checkpoint, adapters)
        versions.check_unique({one.name: one.versions for one in checkpoints.values()})
        return Catalog(checkpoints, default, adapters)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        sentence = f"The catalog {path} cannot be used: {type(error).__name__}: {error}."
        raise Fault("catalog_unreadable", sentence) from error


def unknown_words(text: str, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Words the checkpoint never saw, in order and once each; none if it knows all words."""
    if not checkpoint.known_words:
        return ()
    words = dict.fromkeys(_WORD.findall(text.lower()))
    return tuple(word for word in words if word not in checkpoint.known_words)


def _check_vae(checkpoint: Checkpoint, adapters: Mapping[str, Adapter]) -> None:
    adapter = adapters.get(checkpoint.vae)
    fits = adapter is not None and (adapter.kind, adapter.family) == ("vae", checkpoint.family)
    sentence = f"{checkpoint.name}: vae names {checkpoint.vae!r}, no VAE of {checkpoint.family}"
    require(not checkpoint.vae or fits, sentence)


def _check_styles(checkpoint: Checkpoint, adapters: Mapping[str, Adapter]) -> None:
    for style in checkpoint.styles.values():
        lora = adapters.get(style.lora)
        fits = lora is not None and (lora.kind, lora.family) == ("lora", checkpoint.family)
        sentence = f"{checkpoint.name}: the style {style.name} names {style.lora!r}, no LoRA of it"
        require(not style.lora or fits, sentence)
