"""What a job wears over its checkpoint: found in the catalog, read once, put on the family."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from farm.engine.adapters import embeddings, hints, lorafiles
from farm.engine.adapters.rack import Hold, Rack
from farm.engine.families import Conditioning, Family, Hint
from farm.engine.messages import Garment
from farm.engine.origins import Images, found
from farm.engine.weights import checkpoints, whereabouts
from farm.engine.weights.digests import Digests
from farm.engine.weights.whereabouts import Weights
from shared.adapters import Adapter
from shared.catalog import Catalog
from shared.errors import Fault
from shared.places import File
from shared.spec import ControlUse, RenderSpec

EYES_KEPT = 4
WORD = {
    "lora": "LoRAs",
    "controlnet": "ControlNets",
    "ip-adapter": "IP-Adapters",
    "embedding": "embeddings",
}


class Wardrobe:
    """Reads an adapter when the first job of a family asks for it. One thread at a time a family."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.digests = Digests()
        self.rack = Rack()
        self._eyes: dict[tuple[int, str], Family] = {}
        self._brought: set[str] = set()
        self._lock = Lock()

    def receive(self, garments: Sequence[Garment]) -> Hold:
        """LoRAs that people brought join the catalog; they stay while the answer is held."""
        held = self.rack.hold([one.name for one in garments])
        with self._lock:
            fresh = {one.name: _adapter(one) for one in garments}
            self.catalog = replace(self.catalog, adapters=fresh | self.catalog.adapters)
            self._brought |= fresh.keys()
        return held

    def dismiss(self, name: str) -> bool:
        """One that somebody brought leaves; False, and it stays, while a job holds it."""
        if not self.rack.drop(name):
            return False
        with self._lock:
            if name in self._brought:
                left = {key: one for key, one in self.catalog.adapters.items() if key != name}
                self.catalog = replace(self.catalog, adapters=left)
                self._brought.discard(name)
        return True

    def fit(self, spec: RenderSpec, family: Family) -> None:
        """Before the texts are encoded: everything the spec names is on the family.

        Refusal for a name the catalog does not know or that is of another kind or family, Fault
        for weights that are not whole or that the family has no place for.
        """
        kind = self.catalog.get(spec.checkpoint).family
        for name in dict.fromkeys(one.name for one in spec.loras):
            self._wear(family, self._named(name, "lora", kind), self._put_lora)
        for name in dict.fromkeys(one.name for one in spec.controls):
            self._wear(family, self._named(name, "controlnet", kind), self._put_control)
        for name in dict.fromkeys(one.name for one in spec.references):
            self._wear(family, self._named(name, "ip-adapter", kind), self._put_reference)
        for name in spec.embeddings:
            self._wear(family, self._named(name, "embedding", kind), self._put_embedding)

    def dressed(
        self, spec: RenderSpec, family: Any, conditioning: Conditioning, images: Images
    ) -> Conditioning:
        """With what the rows wear and look at."""
        uses = [(one.name, found(one.source, images), one.scale) for one in spec.references]
        return replace(
            conditioning,
            loras=tuple((one.name, one.weight) for one in spec.loras),
            hints=tuple(self._hint(one, spec, images) for one in spec.controls),
            references=family.references.encode(uses) if uses else (),
            wraps=spec.tile,
        )

    def eye(self, spec: RenderSpec, family: Family) -> Family:
        """The family, or the same with the autoencoder that the spec names, or whose edges meet."""
        seeing = self._seeing(spec, family)
        return seeing.seamless() if spec.tile else seeing

    def _seeing(self, spec: RenderSpec, family: Family) -> Family:
        if not spec.vae:
            return family
        key = (id(family), spec.vae)
        if key not in self._eyes:
            kind = self.catalog.get(spec.checkpoint).family
            self._eyes[key] = self._opened(self._named(spec.vae, "vae", kind), family)
            for oldest in [*self._eyes][:-EYES_KEPT]:
                del self._eyes[oldest]
        return self._eyes[key]

    def _opened(self, adapter: Adapter, family: Family) -> Family:
        vae = self._part(adapter, family)
        _check_vae(vae, family, adapter)
        return family.with_vae(vae)

    def _part(self, adapter: Adapter, family: Family) -> Any:
        part, _ = checkpoints.load_part(
            adapter, device=str(family.device), dtype=family.dtype, digests=self.digests
        )
        return part

    def digest(self, spec: RenderSpec) -> str:
        """Stands for the weights of all that the spec wears. What is in no catalog has none: whoever tries
        to wear it is refused."""
        worn = [one.name for one in spec.loras]
        seen = [*(one.name for one in spec.controls), *(one.name for one in spec.references)]
        names = sorted({*worn, *seen, *spec.embeddings, *filter(None, [spec.vae])})
        known = [self.catalog.adapters[name] for name in names if name in self.catalog.adapters]
        return " ".join(self._look_up(adapter).sha256 for adapter in known)

    def _look_up(self, adapter: Adapter) -> Weights:
        return whereabouts.look_up(adapter.weights, self.digests)

    # --- one kind after the other ------------------------------------------------------------

    def _named(self, name: str, kind: str, family: str) -> Adapter:
        return self.catalog.adapter(name, kind=kind, family=family)

    def _wear(self, family: Any, adapter: Adapter, put: Callable[[Any, Adapter], None]) -> None:
        if adapter.name not in _worn_by(family, adapter.kind):
            put(family, adapter)

    def _put_lora(self, family: Any, adapter: Adapter) -> None:
        file = lorafiles.read(self._look_up(adapter).tensors, adapter.family)
        for component, bank in family.loras.items():
            bank.put(adapter.name, file.parts.get(component, {}))
        if adapter.name in self._brought:
            self.rack.hung(family, adapter.name)

    def _put_control(self, family: Any, adapter: Adapter) -> None:
        family.controls.put(adapter.name, self._part(adapter, family))

    def _put_reference(self, family: Any, adapter: Adapter) -> None:
        assert adapter.encoder is not None, "the catalog asks for one"
        encoder = whereabouts.look_up(adapter.encoder, self.digests).path
        family.references.join(adapter.name, self._look_up(adapter).tensors, encoder)

    def _put_embedding(self, family: Any, adapter: Adapter) -> None:
        family.embeddings.put(adapter.name, embeddings.read(self._look_up(adapter).tensors))
        family.texts.clear()  # what was encoded before it came may have used its words

    def _hint(self, use: ControlUse, spec: RenderSpec, images: Images) -> Hint:
        adapter = self.catalog.adapters[use.name]
        kind = use.preprocessor or adapter.preprocessor
        picture = hints.prepare(kind, found(use.source, images), (spec.width, spec.height))
        return Hint(use.name, picture, use.scale, use.start, use.end)


def _adapter(garment: Garment) -> Adapter:
    """Its licence and its title were people's to read, before."""
    return Adapter(
        name=garment.name,
        title=garment.name,
        kind="lora",
        family=garment.family,
        weights=File(Path(garment.path), sha256=garment.sha256),
        licence="",
    )


def _check_vae(vae: Any, family: Any, adapter: Adapter) -> None:
    """Latents of another depth or size would be other latents."""
    wanted = family.modules["vae"].config
    for field in ("latent_channels", "block_out_channels"):
        found, there = vae.config.get(field), wanted.get(field)
        alike = found == there if field == "latent_channels" else len(found) == len(there)
        if not alike:
            sentence = f"The VAE {adapter.name} is made for other latents than this checkpoint's."
            raise Fault("unfit_adapter", sentence)


def _worn_by(family: Any, kind: str) -> frozenset[str]:
    """The names of this kind that the family wears now; Fault where it can wear none."""
    places = {
        "lora": lambda: next(iter(family.loras.values())).names,
        "controlnet": lambda: family.controls.names,
        "ip-adapter": lambda: family.references.names,
        "embedding": lambda: family.embeddings.names,
    }
    try:
        names: frozenset[str] = places[kind]()
    except (AttributeError, StopIteration) as lacking:
        sentence = f"{WORD[kind]} cannot be used with checkpoints of this family yet."
        raise Fault("unfit_adapter", sentence) from lacking
    return names
