"""Trajectories that run together: their state stacked, one forward a step, one update for all.

What a step needs from each (timesteps, sampler coefficients, which scales) is known until one of
them finishes, so it is laid out once and carried to the device once; a step then touches no list
of Python numbers and never waits for the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.families import Kept, Wish, drawn_in
from farm.engine.guidance import Guidance, carried
from farm.engine.straying import straying
from farm.engine.trajectory import State, Trajectory

LONGEST = 64  # forwards laid out at once: a job of 1,000 steps must not fill the device with tables


@dataclass(frozen=True, slots=True)
class Denoised:
    """What the model saw and what it answered, one row a trajectory, guidance applied.

    `sound` is true on the device for rows that are numbers throughout.
    """

    seen: Tensor
    predictions: Tensor
    moments: list[float]
    sound: Tensor


class Cohort:
    """All of one checkpoint and shape. Taking a trajectory in takes it from where it ran before."""

    def __init__(self, members: Sequence[Trajectory]) -> None:
        self.members = tuple(members)
        self.loaded = members[0].leg.loaded
        self.family = self.loaded.family
        self.horizon = min(LONGEST, *(one.alike for one in members))
        self.at = 0
        self._stack()
        self.guidance = Guidance.build([one.leg.conditioning for one in members], self.latents)
        self.laid = self.family.lay(self._wishes(), self.horizon)
        told, steps = [one.leg.conditioning for one in members], [one.step for one in members]
        self.straying = straying(told, steps, self.horizon)
        self._lay_moments()
        self._lay_coefficients()
        for place, one in enumerate(self.members):
            one.home, one.place = self, place

    @property
    def spent(self) -> bool:
        """Somebody reached the end of a leg, or the tables did: lay it out anew."""
        return self.at >= self.horizon

    def holds(self, members: Sequence[Trajectory]) -> bool:
        """These run in it, and none of them has left it since (to rest, or into another)."""
        return self.members == tuple(members) and all(one.home is self for one in self.members)

    @property
    def rows(self) -> int:
        return len(self.members) + len(self.guidance.places)

    def state(self, place: int) -> State:
        terms = self._terms_of(self.members[place])
        row = slice(place, place + 1)
        return State(self.latents[row], tuple(one[row] for one in self.past[: terms - 2]))

    def dissolve(self) -> None:
        """Each member takes its state along."""
        for one in self.members:
            if one.home is self:
                one.leave()

    # --- laying out --------------------------------------------------------------------------

    def _stack(self) -> None:
        states = [one.state for one in self.members]
        self.terms = max(self._terms_of(one) for one in self.members)
        device, dtype = self.family.device, self.family.dtype
        self.latents = _stacked([state.latents for state in states], device, dtype)
        blank = torch.zeros_like(self.latents[:1])
        self.past = [
            _stacked([_nth(state.past, nth, blank) for state in states], device, dtype)
            for nth in range(self.terms - 2)
        ]

    @staticmethod
    def _terms_of(one: Trajectory) -> int:
        table = one.leg.table
        return 2 if table is None else table.terms

    def _wishes(self) -> list[Wish]:
        towards = [_wish(one, towards=True) for one in self.members]
        return towards + [
            _wish(self.members[place], towards=False) for place in self.guidance.places
        ]

    def _lay_moments(self) -> None:
        """(horizon, rows): each row's timestep at each of the next forwards."""
        everyone = [*self.members, *(self.members[place] for place in self.guidance.places)]
        ahead = [one.leg.sampler.timesteps[one.step : one.step + self.horizon] for one in everyone]
        self.ahead = ahead[: len(self.members)]
        self.moments = carried(torch.tensor(ahead).t().contiguous(), self.family.device)

    def _lay_coefficients(self) -> None:
        tables = [one.leg.table for one in self.members]
        self.alone = [place for place, table in enumerate(tables) if table is None]
        self.scale = self._laid_scale()
        self.coefficients = self._laid([self._slice(one, "coefs", 6) for one in self.members])
        self.noise = self._laid([self._slice(one, "noise", 1) for one in self.members])
        self.held = self._laid([self._slice(one, "held", 2) for one in self.members])
        self.drawing = [self._drawing(at) for at in range(self.horizon)]
        self.edited = [place for place, one in enumerate(self.members) if one.leg.kept is not None]

    def _slice(self, one: Trajectory, name: str, width: int) -> Tensor:
        table = one.leg.table
        if table is None:
            return torch.zeros(self.horizon, width, dtype=torch.float64)
        values: Tensor = getattr(table, name)[one.step : one.step + self.horizon]
        return values.reshape(self.horizon, width)

    def _laid(self, values: list[Tensor]) -> Tensor:
        """(members of (horizon, width)) -> (horizon, width, members, 1, ...) on the device."""
        whole = torch.stack(values).permute(1, 2, 0).to(self._precision)
        shape = (*whole.shape, *(1,) * (self.latents.dim() - 1))
        return carried(whole.contiguous(), self.family.device).view(shape)

    def _laid_scale(self) -> Tensor | None:
        """None when no sampler scales what the model sees."""
        scales = [
            torch.ones(self.horizon, 1, dtype=torch.float64)
            if one.leg.table is None
            else self._slice(one, "scale", 1)
            for one in self.members
        ]
        if all(bool((one == 1).all()) for one in scales):
            return None
        return self._laid(scales)

    @property
    def _precision(self) -> torch.dtype:
        return torch.promote_types(self.family.dtype, torch.float32)

    def _drawing(self, at: int) -> list[int]:
        return [
            place
            for place, one in enumerate(self.members)
            if one.leg.table is not None and one.leg.table.draws[one.step + at]
        ]

    # --- a step ------------------------------------------------------------------------------

    def denoise(self) -> Denoised:
        seen = self._seen()
        rows = seen
        if self.guidance.places:
            rows = torch.cat([seen, seen.index_select(0, self.guidance.index)])
        laid = self.laid if self.straying is None else self.straying.told(self.laid, self.at)
        with self.loaded.turn:
            answer = self.family.denoise(rows, self.moments[self.at], laid, self.at)
        predictions = self.guidance.apply(answer, len(self.members))
        moments = [ahead[self.at] for ahead in self.ahead]
        return Denoised(seen, predictions, moments, _sound(predictions))

    def _seen(self) -> Tensor:
        seen = self.latents
        if self.scale is not None:
            seen = (seen * self.scale[self.at, 0]).to(seen.dtype)
        return self._replaced(seen, self._scaled_alone()) if self.alone else seen

    def _scaled_alone(self) -> list[Tensor]:
        rows = [(self.members[place], self.latents[place : place + 1]) for place in self.alone]
        return [one.leg.sampler.scale(row, one.step) for one, row in rows]

    def advance(self, denoised: Denoised) -> dict[int, Exception]:
        """Every member one evaluation on. Returns which of their samplers broke, by place."""
        self.failed: dict[int, Exception] = {}
        before, predictions = self.latents, denoised.predictions
        after = self._updated(before, predictions)
        if self.alone:
            after = self._replaced(after, self._advanced_alone(predictions))
        for place in self.edited:
            after = self._kept(after, place)
        self.past = [before, predictions, *self.past][: self.terms - 2]
        self.latents = self._stopped(after, denoised)
        self.at += 1
        for one in self.members:
            one.stepped()
        return self.failed

    def _updated(self, before: Tensor, predictions: Tensor) -> Tensor:
        """The tables' update. Products and sums stay apart: fused ones would round a row by its place."""
        known = (before, predictions, *self.past)
        weights = self.coefficients[self.at]
        after = weights[0] * known[0]
        for nth in range(1, self.terms):
            after = after + weights[nth] * known[nth]
        places = self.drawing[self.at]
        if places:
            after = after + self.noise[self.at, 0] * self._drawn(places, predictions)
        return after.to(before.dtype)

    def _drawn(self, places: list[int], like: Tensor) -> Tensor:
        """Each row's noise from its own generator, on the CPU, as diffusers draws it."""
        shape, dtype = (1, *like.shape[1:]), drawn_in(like.dtype)
        drawn = [
            torch.randn(shape, generator=self.members[place].generator, dtype=dtype)
            for place in places
        ]
        noise = carried(torch.cat(drawn).to(like.dtype), like.device)
        if len(places) == len(self.members):
            return noise
        where = carried(torch.tensor(places), like.device)
        return torch.zeros_like(like).index_copy(0, where, noise)

    def _advanced_alone(self, predictions: Tensor) -> list[Tensor]:
        return [self._advanced(place, predictions) for place in self.alone]

    def _advanced(self, place: int, predictions: Tensor) -> Tensor:
        """By its own scheduler; one that breaks stays where it was, and is told."""
        one, row = self.members[place], slice(place, place + 1)
        step = {"index": one.step, "generator": one.generator}
        try:
            return one.leg.sampler.advance(self.latents[row], predictions[row], **step)
        except Exception as problem:
            self.failed[place] = problem
            return self.latents[row]

    def _replaced(self, rows: Tensor, alone: list[Tensor]) -> Tensor:
        where = carried(torch.tensor(self.alone), rows.device)
        return rows.index_copy(0, where, torch.cat(alone).to(rows.dtype))

    def _kept(self, rows: Tensor, place: int) -> Tensor:
        one = self.members[place]
        kept = one.leg.kept
        assert kept is not None
        mended = (1 - kept.mask) * self._held(one, kept, place) + kept.mask * rows[
            place : place + 1
        ]
        where = carried(torch.tensor([place]), rows.device)
        return rows.index_copy(0, where, mended.to(rows.dtype))

    def _held(self, one: Trajectory, kept: Kept, place: int) -> Tensor:
        """The source as loud as the row is now. A scheduler asked itself makes the loop wait."""
        if one.leg.table is None:
            return one.leg.sampler.noised(kept.clean, kept.noise, one.step + 1)
        clean, noise = self.held[self.at, :, place]
        return clean * kept.clean + noise * kept.noise

    def _stopped(self, rows: Tensor, denoised: Denoised) -> Tensor:
        """`--stop`: the picture that the last prediction points at."""
        for place, one in enumerate(self.members):
            if one.leg.stopped and one.left == 1 and one.stage == len(one.legs) - 1:
                row, moment = slice(place, place + 1), [denoised.moments[place]]
                seen, said = denoised.seen[row], denoised.predictions[row]
                clean = self.family.estimate(seen, said, moment)
                where = carried(torch.tensor([place]), rows.device)
                rows = rows.index_copy(0, where, clean.to(rows.dtype))
        return rows


def _wish(one: Trajectory, *, towards: bool) -> Wish:
    leg = one.leg
    tensors = leg.conditioning.towards if towards else leg.conditioning.against
    assert tensors is not None
    at = (one.step, leg.evaluations, leg.around(one.step))
    return Wish(tensors, leg.conditioning, towards, leg.beside, *at)


def _nth(past: Sequence[Tensor], nth: int, blank: Tensor) -> Tensor:
    return past[nth] if nth < len(past) else blank


def _stacked(rows: list[Tensor], device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.cat([row.to(device, dtype, non_blocking=True) for row in rows])


def _sound(predictions: Tensor) -> Tensor:
    """A sum carries every NaN and infinity of its row with it."""
    return predictions.flatten(1).sum(1, dtype=torch.float32).isfinite()
