"""ControlNets of Stable Diffusion 3: siblings of the UNets', which see a picture's latents instead."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import SD3ControlNetModel
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from farm.engine.adapters.control import LaidControls, Share
from farm.engine.families import Hint, Wish
from farm.engine.guidance import carried
from farm.engine.steady import make_steady
from shared.errors import Fault

Act = tuple[int, int, float]  # row, which of its hints, scale


class Controls:
    """The ControlNets of one transformer, by name. Each runs once a forward, for its own rows."""

    def __init__(self, transformer: nn.Module, vae: nn.Module) -> None:
        self.transformer: Any = transformer
        self.vae: Any = vae
        self.nets: dict[str, Any] = {}
        self.seen = (
            WeakTensorKeyDictionary()
        )  # a picture's latents, for as long as it is wished for

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.nets)

    @property
    def bytes(self) -> int:
        parts = [part for net in self.nets.values() for part in net.parameters()]
        return sum(part.numel() * part.element_size() for part in parts)

    @property
    def steady(self) -> bool:
        return bool(self.transformer.device.type == "cpu")

    def load(self, name: str, folder: Path) -> None:
        """From a diffusers folder on this disk, safetensors only; nothing is fetched."""
        net = SD3ControlNetModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=self.transformer.dtype
        )
        self.put(name, net)

    def put(self, name: str, net: Any) -> None:
        """Fault `unfit_control` when it was made for another kind of transformer."""
        _check(net.config, self.transformer.config, name)
        if not net.config.use_pos_embed:  # SD3.5's own nets share the transformer's places
            net.pos_embed = net._get_pos_embed_from_transformer(self.transformer)
        ready = net.eval().requires_grad_(False).to(self.transformer.device)
        self.nets[name] = ready.to(self.transformer.dtype)
        if self.steady:
            make_steady(ready)

    def remove(self, name: str) -> None:
        self.nets.pop(name, None)

    # --- before the forwards -----------------------------------------------------------------

    def lay(self, wishes: Sequence[Wish], horizon: int) -> LaidControls | None:
        """All that `residuals` needs is on the device afterwards, so that it never waits."""
        acts = [_acts(wishes, ahead) for ahead in range(horizon)]
        if not any(acts):
            return None
        built = {act: self._shares(act, wishes) for act in set(acts)}
        return LaidControls(tuple(built[act] for act in acts))

    def _shares(self, acts: tuple[Act, ...], wishes: Sequence[Wish]) -> tuple[Share, ...]:
        used: dict[str, list[tuple[int, Hint, float]]] = {}
        for row, place, scale in acts:
            hint = wishes[row].conditioning.hints[place]
            used.setdefault(hint.name, []).append((row, hint, scale))
        return tuple(self._share(name, uses) for name, uses in sorted(used.items()))

    def _share(self, name: str, uses: list[tuple[int, Hint, float]]) -> Share:
        if name not in self.nets:
            raise Fault("missing_control", f"The ControlNet {name} is not loaded.")
        if self.steady and len(uses) == 1:
            # Bits of a batch of one differ; a second row that adds nothing makes it two.
            uses = [uses[0], (*uses[0][:2], 0.0)]
        rows, hints, scales = zip(*uses, strict=True)
        # The nets' first authors (InstantX) trained without the shift, and without pooled texts.
        shifted = not self.nets[name].config.force_zeros_for_pooled_projection
        pictures = [self._latents(hint.picture, shifted=shifted) for hint in hints]
        device, dtype = self.transformer.device, self.transformer.dtype
        loudness = torch.tensor(scales, dtype=dtype).view(-1, 1, 1)
        places, loud = carried(torch.tensor(rows), device), carried(loudness, device)
        return Share(name, places, torch.cat(pictures).to(dtype), loud)

    @torch.inference_mode()
    def _latents(self, picture: Tensor, *, shifted: bool) -> Tensor:
        """The likeliest ones: diffusers draws them from a generator that no seed reaches."""
        if picture not in self.seen:
            bright = carried(picture.to(self.vae.dtype), self.vae.device) * 2 - 1
            self.seen[picture] = self.vae.encode(bright).latent_dist.mode()
        clean: Tensor = self.seen[picture]
        shift = self.vae.config.shift_factor if shifted else 0.0
        return (clean - shift) * self.vae.config.scaling_factor

    # --- in the loop -------------------------------------------------------------------------

    def residuals(
        self,
        latents: Tensor,
        moments: Tensor,
        laid: LaidControls | None,
        at: int,
        *,
        texts: Tensor,
        pooled: Tensor,
    ) -> dict[str, Any]:
        """What to hand to the transformer beside its rows; nothing where no net acts."""
        shares = laid.forwards[at] if laid else ()
        total: list[Tensor] = []
        for share in shares:
            rows = share.rows
            seen = [one.index_select(0, rows) for one in (latents, moments, texts, pooled)]
            answer = _ask(self.nets[share.name], share.pictures, *seen)
            parts = [one * share.scales for one in self._spread(answer, shares)]
            total = total or [part.new_zeros(len(latents), *part.shape[1:]) for part in parts]
            for whole, part in zip(total, parts, strict=True):
                whole.index_add_(0, rows, part)
        return {"block_controlnet_hidden_states": total} if total else {}

    def _spread(self, answer: Sequence[Tensor], shares: Sequence[Share]) -> Sequence[Tensor]:
        """Nets of unlike depth meet at the transformer's own: each answer serves several blocks."""
        if len({len(self.nets[share.name].controlnet_blocks) for share in shares}) == 1:
            return answer
        depth = len(self.transformer.transformer_blocks)
        return [answer[int(block / (depth / len(answer)))] for block in range(depth)]


def _ask(net: Any, pictures: Tensor, *seen: Tensor) -> Sequence[Tensor]:
    latents, moments, texts, pooled = seen
    unpooled = net.config.force_zeros_for_pooled_projection
    answer: Sequence[Tensor] = net(
        hidden_states=latents,
        controlnet_cond=pictures,
        encoder_hidden_states=None if net.context_embedder is None else texts,
        pooled_projections=torch.zeros_like(pooled) if unpooled else pooled,
        timestep=moments,
        return_dict=False,
    )[0]
    return answer


def _acts(wishes: Sequence[Wish], ahead: int) -> tuple[Act, ...]:
    """Who is acted upon by what, `ahead` forwards from now."""
    scales = (
        (row, place, hint.at(wish.step + ahead, wish.steps))
        for row, wish in enumerate(wishes)
        for place, hint in enumerate(wish.conditioning.hints)
    )
    return tuple(act for act in scales if act[2])


ALIKE = ("in_channels", "patch_size", "pooled_projection_dim")


def _check(net: Any, model: Any, name: str) -> None:
    alike = all(net[one] == model[one] for one in ALIKE) and _width(net) == _width(model)
    reads = net["joint_attention_dim"] in (None, model["joint_attention_dim"])
    # Inpainting nets see a mask beside the picture, and no hint brings one.
    if not alike or not reads or net["extra_conditioning_channels"]:
        raise Fault("unfit_control", f"The ControlNet {name} does not fit this checkpoint.")


def _width(config: Any) -> int:
    return int(config["num_attention_heads"] * config["attention_head_dim"])
