"""IP-Adapters in a batch whose rows look at different pictures, or at none (arXiv 2308.06721).

An image's tokens do not change from step to step, so each layer's keys and values of them are made
once, when the rows are laid; a row's scale is part of its values, and a row without a picture has
zeros. Several pictures of one row are looked at side by side, each with its own scale, as diffusers
does with several adapters.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import ImageProjection
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection
from transformers.models.clip import CLIPImageProcessorPil

from farm.engine.families import Reference, Wish
from farm.engine.guidance import carried
from shared.errors import Fault, Refusal

MOST = 4  # pictures of one row
PARTS = ("image_proj", "ip_adapter")
FROM_PICTURES = ("proj.weight", "proj.3.weight", "latents")  # plain, full face, plus; no face ids

Weights = Mapping[str, Mapping[str, Tensor]]  # by PARTS, as diffusers reads a file
Pair = tuple[Tensor, Tensor]  # for keys and for values
Use = tuple[str, Image.Image, float]  # adapter, picture, scale


@dataclass(frozen=True, slots=True)
class LaidReferences:
    """By layer: keys and values, (rows, tokens, width), once for each picture of the fullest row."""

    pairs: Mapping[str, Sequence[Pair]]


@dataclass(frozen=True, slots=True)
class Adapter:
    """`layers` are each cross-attention's weights."""

    layers: Mapping[str, Pair]
    projection: nn.Module
    encoder: Any

    @property
    def weights(self) -> list[Tensor]:
        pairs = [weight for pair in self.layers.values() for weight in pair]
        return [*pairs, *self.projection.parameters()]


@dataclass(frozen=True, slots=True)
class Look:
    """Rows that look through one adapter, at one picture each."""

    adapter: Adapter
    rows: Tensor
    tokens: Tensor
    scales: Tensor


class References:
    """The IP-Adapters of one UNet, by name. Without any, the UNet is as it was."""

    def __init__(self, unet: nn.Module) -> None:
        self.unet: Any = unet
        self.adapters: dict[str, Adapter] = {}
        self._before: dict[str, Any] = {}
        self._encoders: WeakValueDictionary[Path, Any] = WeakValueDictionary()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.adapters)

    @property
    def bytes(self) -> int:
        adapters = self.adapters.values()
        encoders = {id(one.encoder): one.encoder for one in adapters}.values()
        parts = [part for one in encoders for part in one.parameters()]
        parts += [part for one in adapters for part in one.weights]
        return sum(part.numel() * part.element_size() for part in parts)

    # --- adapters come and go ----------------------------------------------------------------

    def load(self, name: str, folder: Path) -> None:
        """From a folder with one safetensors file of the adapter and `image_encoder/`."""
        files = sorted(folder.glob("*.safetensors"))
        if len(files) != 1 or not (folder / "image_encoder").is_dir():
            sentence = f"The adapter {name} needs one safetensors file and its image_encoder."
            raise Fault("unfit_adapter", sentence)
        self.join(name, files[0], folder / "image_encoder")

    def join(self, name: str, file: Path, encoder: Path) -> None:
        """From a file of the adapter and the folder of what reads its pictures."""
        self.put(name, read(file), self._encoder(encoder.resolve()))

    def _encoder(self, folder: Path) -> Any:
        """Adapters share it when their folders are links to the same one."""
        encoder = self._encoders.get(folder)
        if encoder is None:
            encoder = CLIPVisionModelWithProjection.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=self.unet.dtype
            )
            self._encoders[folder] = encoder
        return encoder

    def put(self, name: str, weights: Weights, encoder: Any) -> None:
        """Fault `unfit_adapter` when it was made for another UNet or needs more than a picture."""
        if not any(key in weights["image_proj"] for key in FROM_PICTURES):
            raise Fault("unfit_adapter", f"The adapter {name} is of a kind that is not supported.")
        try:
            projection, layers = self._converted(weights)
        except (KeyError, RuntimeError, ValueError) as error:
            raise Fault("unfit_adapter", f"The adapter {name} does not fit.") from error
        for model in (projection, encoder):
            model.eval().requires_grad_(False).to(self.unet.device, self.unet.dtype)
        self.adapters[name] = Adapter(layers, projection, encoder)
        if not self._before:
            self._install()

    def _converted(self, weights: Weights) -> tuple[nn.Module, dict[str, Pair]]:
        """By diffusers' own reading of the many formats, which installs nothing by itself."""
        projection = self.unet._convert_ip_adapter_image_proj_to_diffusers(
            weights["image_proj"], low_cpu_mem_usage=False
        )
        processors = self.unet._convert_ip_adapter_attn_to_diffusers([weights])
        layers = {
            layer: (self._moved(one.to_k_ip[0].weight), self._moved(one.to_v_ip[0].weight))
            for layer, one in processors.items()
            if isinstance(one, IPAdapterAttnProcessor2_0)
        }
        return projection, layers

    def _moved(self, weight: Tensor) -> Tensor:
        return weight.detach().to(self.unet.device, self.unet.dtype)

    def remove(self, name: str) -> None:
        self.adapters.pop(name, None)
        if not self.adapters and self._before:
            self.unet.set_attn_processor({**self.unet.attn_processors, **self._before})
            self._before = {}

    def _install(self) -> None:
        now = self.unet.attn_processors
        self._before = {layer: one for layer, one in now.items() if ".attn2." in layer}
        ours = {layer: RowProcessor(layer) for layer in self._before}
        self.unet.set_attn_processor({**now, **ours})

    # --- before the forwards -----------------------------------------------------------------

    def encode(self, uses: Sequence[Use]) -> tuple[Reference, ...]:
        """One trajectory's references. Refusal `too_many_references` for more than MOST."""
        if len(uses) > MOST:
            sentence = f"A drawing can look at {MOST} reference pictures at most."
            raise Refusal("too_many_references", sentence, field="references")
        return tuple(self._reference(*use) for use in uses)

    @torch.inference_mode()
    def _reference(self, name: str, picture: Image.Image, scale: float) -> Reference:
        adapter = self._adapter(name)
        said, unsaid = _seen(adapter, picture)
        return Reference(name, adapter.projection(said), adapter.projection(unsaid), scale)

    def _adapter(self, name: str) -> Adapter:
        if name not in self.adapters:
            raise Fault("missing_adapter", f"The adapter {name} is not loaded.")
        return self.adapters[name]

    def lay(self, wishes: Sequence[Wish]) -> LaidReferences | None:
        """For every forward of these rows; None where none of them looks at a picture."""
        slots = [self._looks(slot, wishes) for slot in _slots(wishes)]
        if not slots:
            return None
        count = len(wishes)
        pairs = {layer: [_pair(layer, looks, count) for looks in slots] for layer in self._before}
        return LaidReferences(pairs)

    def _looks(self, slot: Mapping[int, Reference], wishes: Sequence[Wish]) -> list[Look]:
        names = sorted({one.name for one in slot.values()})
        return [
            self._look(name, {row: one for row, one in slot.items() if one.name == name}, wishes)
            for name in names
        ]

    def _look(self, name: str, slot: Mapping[int, Reference], wishes: Sequence[Wish]) -> Look:
        tokens = [one.towards if wishes[row].towards else one.against for row, one in slot.items()]
        device, dtype = self.unet.device, self.unet.dtype
        scales = torch.tensor([one.scale for one in slot.values()], dtype=dtype).view(-1, 1, 1)
        rows = carried(torch.tensor(list(slot)), device)
        told = self._moved(torch.cat(tokens))
        return Look(self._adapter(name), rows, told, carried(scales, device))

    # --- in the loop -------------------------------------------------------------------------

    @staticmethod
    def kwargs(laid: LaidReferences | None) -> dict[str, Any]:
        """What to hand to the UNet beside its rows; nothing where none looks at a picture."""
        return {"cross_attention_kwargs": {"ip_hidden_states": laid}} if laid else {}


class RowProcessor(IPAdapterAttnProcessor2_0):
    """Diffusers' own attention, on keys and values that are ready, instead of on tokens."""

    def __init__(self, layer: str) -> None:
        nn.Module.__init__(self)
        self.layer = layer
        self.scale = [1.0] * MOST
        self.to_k_ip = [itemgetter(0)] * MOST
        self.to_v_ip = [itemgetter(1)] * MOST

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        ip_hidden_states: LaidReferences | None = None,
    ) -> Tensor:
        laid = ip_hidden_states.pairs[self.layer] if ip_hidden_states else ()
        # One row may have been doubled on its way here, to keep its bits: see `steady`.
        rows = len(hidden_states)
        ready = [(keys.expand(rows, -1, -1), values.expand(rows, -1, -1)) for keys, values in laid]
        seen: Tensor = super().__call__(
            attn, hidden_states, (encoder_hidden_states, ready), attention_mask
        )
        return seen


def read(file: Path) -> Weights:
    """An adapter's safetensors file. Fault `unfit_adapter` for what is none."""
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise Fault("unfit_adapter", f"{file.name} cannot be read.") from error
    return {
        part: {
            key.removeprefix(f"{part}."): one
            for key, one in tensors.items()
            if key.startswith(f"{part}.")
        }
        for part in PARTS
    }


def _seen(adapter: Adapter, picture: Image.Image) -> Pair:
    """What the encoder says of a picture and of none, in the form that the projection reads."""
    encoder = adapter.encoder
    side = encoder.config.image_size
    eyes = CLIPImageProcessorPil(size=side, crop_size=side)
    pixels = eyes(picture.convert("RGB"), return_tensors="pt").pixel_values
    pixels = pixels.to(encoder.device, encoder.dtype)
    if isinstance(adapter.projection, ImageProjection):
        said = encoder(pixels).image_embeds
        return said, torch.zeros_like(said)
    both = torch.cat([pixels, torch.zeros_like(pixels)])
    said, unsaid = encoder(both, output_hidden_states=True).hidden_states[-2].chunk(2)
    return said, unsaid


def _slots(wishes: Sequence[Wish]) -> list[dict[int, Reference]]:
    """By row, so that each row is at most once in a slot and all its tokens are as many."""
    slots: dict[tuple[int, int], dict[int, Reference]] = {}
    for row, wish in enumerate(wishes):
        taken: Counter[int] = Counter()
        for one in wish.conditioning.references:
            length = one.towards.shape[1]
            if one.scale:
                slots.setdefault((length, taken[length]), {})[row] = one
                taken[length] += 1
    return list(slots.values())


def _pair(layer: str, looks: Sequence[Look], count: int) -> Pair:
    return _spread(layer, looks, count, side=0), _spread(layer, looks, count, side=1)


def _spread(layer: str, looks: Sequence[Look], count: int, *, side: int) -> Tensor:
    """Keys (side 0) or values (side 1) of every row; zeros where a row has none."""
    total: Tensor | None = None
    for look in looks:
        found = look.tokens @ look.adapter.layers[layer][side].t()
        found = found * look.scales if side else found
        total = found.new_zeros(count, *found.shape[1:]) if total is None else total
        total.index_copy_(0, look.rows, found)
    assert total is not None
    return total
