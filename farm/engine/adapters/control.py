"""ControlNets in a batch whose rows use different ones, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel
from torch import Tensor, nn

from farm.engine.families import Hint, Wish
from farm.engine.guidance import carried
from farm.engine.steady import make_steady
from shared.errors import Fault

Act = tuple[int, int, float]  # row, which of its hints, scale
Added = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Share:
    """One net's part in a forward: which rows it sees, what it shows them, how loud it is there."""

    name: str
    rows: Tensor
    pictures: Tensor
    scales: Tensor


@dataclass(frozen=True, slots=True)
class LaidControls:
    """The shares of each forward since `lay`; most are one and the same tuple."""

    forwards: tuple[tuple[Share, ...], ...]


class Controls:
    """The ControlNets of one UNet, by name. Each runs once a forward, for the rows it acts on."""

    def __init__(self, unet: nn.Module) -> None:
        self.unet: Any = unet
        self.nets: dict[str, Any] = {}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.nets)

    @property
    def bytes(self) -> int:
        parts = [part for net in self.nets.values() for part in net.parameters()]
        return sum(part.numel() * part.element_size() for part in parts)

    def load(self, name: str, folder: Path) -> None:
        """From a diffusers folder on this disk, safetensors only; nothing is fetched."""
        net = ControlNetModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=self.unet.dtype
        )
        self.put(name, net)

    def put(self, name: str, net: Any) -> None:
        """Fault `unfit_control` when it was made for another kind of UNet."""
        _check(net.config, self.unet.config, name)
        ready = net.eval().requires_grad_(False).to(self.unet.device)
        self.nets[name] = ready if ready.dtype == self.unet.dtype else ready.to(self.unet.dtype)
        if self.steady:
            make_steady(ready)

    def remove(self, name: str) -> None:
        self.nets.pop(name, None)

    @property
    def steady(self) -> bool:
        return bool(self.unet.device.type == "cpu")

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
        seen = torch.cat([hint.picture for hint in hints])
        device, dtype = self.unet.device, self.unet.dtype
        loudness = torch.tensor(scales, dtype=dtype).view(-1, 1, 1, 1)
        told = (torch.tensor(rows), seen.to(dtype), loudness)
        return Share(name, *(carried(one, device) for one in told))

    # --- in the loop -------------------------------------------------------------------------

    def residuals(
        self,
        latents: Tensor,
        moments: Tensor,
        laid: LaidControls | None,
        at: int,
        *,
        texts: Tensor,
        added: Added | None = None,
    ) -> dict[str, Any]:
        """What to hand to the UNet beside its rows; nothing where no net acts.

        `latents` are what the net was trained on: scaled by the sampler, without the channels that
        an inpainting UNet sees beside them. `added` is SDXL's `added_cond_kwargs`.
        """
        total: list[Tensor] = []
        for share in laid.forwards[at] if laid else ():
            rows = share.rows
            chosen = {name: one.index_select(0, rows) for name, one in (added or {}).items()}
            seen = [one.index_select(0, rows) for one in (latents, moments, texts)]
            down, middle = self.nets[share.name](
                *seen, share.pictures, added_cond_kwargs=chosen, return_dict=False
            )
            parts = [part * share.scales for part in (*down, middle)]
            total = total or [part.new_zeros(len(latents), *part.shape[1:]) for part in parts]
            for whole, part in zip(total, parts, strict=True):
                whole.index_add_(0, rows, part)
        return _as_unet_takes(total)


def _acts(wishes: Sequence[Wish], ahead: int) -> tuple[Act, ...]:
    """Who is acted upon by what, `ahead` forwards from now."""
    scales = (
        (row, place, hint.at(wish.step + ahead, wish.steps))
        for row, wish in enumerate(wishes)
        for place, hint in enumerate(wish.conditioning.hints)
    )
    return tuple(act for act in scales if act[2])


def _as_unet_takes(total: list[Tensor]) -> dict[str, Any]:
    if not total:
        return {}
    return {
        "down_block_additional_residuals": tuple(total[:-1]),
        "mid_block_additional_residual": total[-1],
    }


ALIKE = ("block_out_channels", "layers_per_block", "cross_attention_dim", "addition_embed_type")


def _check(net: Any, unet: Any, name: str) -> None:
    alike = all(_plain(net[one]) == _plain(unet[one]) for one in ALIKE)
    # Nets that pool their answer (shuffle) act on guided rows only: another way of counting rows.
    if not alike or net["conditioning_channels"] != 3 or net["global_pool_conditions"]:
        raise Fault("unfit_control", f"The ControlNet {name} does not fit this checkpoint.")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
