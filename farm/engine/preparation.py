"""From a Render to a job at its first step, or at its last snapshot. Runs beside the loop."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import torch
from PIL import Image

from farm.engine import regions, snapshots
from farm.engine.adapters.wardrobe import Wardrobe
from farm.engine.canvas import enlarged
from farm.engine.families import Origin, Start
from farm.engine.job import EngineJob
from farm.engine.memory.pool import Pool
from farm.engine.messages import Loading, Render, ToParent
from farm.engine.origins import origin_of, read_inputs
from farm.engine.pixels import image_of
from farm.engine.regions import as_input
from farm.engine.samplers import Sampler
from farm.engine.seamless import meets_from
from farm.engine.snapshots import Identity, SnapshotWriter
from farm.engine.straying import led_away, strayed
from farm.engine.trajectory import Leg, State, Trajectory, leaning, seeded
from farm.engine.weights.checkpoints import Loaded
from shared.errors import Fault
from shared.hires import second_pass
from shared.spec import RenderKind, RenderSpec, Source

MOST_IMAGES = 16
MOST_STEPS = 1_000
# The next precision up, for a picture that broke in this one.
HIGHER = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float32: torch.float64,
}


class Preparation:
    """`send` tells the parent of loads. Safe in several threads: texts of one checkpoint take turns."""

    def __init__(
        self, pool: Pool, snapshots: SnapshotWriter, *, send: Callable[[ToParent], None]
    ) -> None:
        self.pool = pool
        self.snapshots = snapshots
        self.send = send
        self.wardrobe = Wardrobe(pool.catalog)
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def job(self, render: Render, *, arrived: int) -> EngineJob:
        """Fault `bad_spec` for what the model or the sampler cannot do."""
        spec = _read(render)
        held = self.wardrobe.receive(render.garments)
        started = time.perf_counter()
        loaded = self._load(render, spec)
        load_ms = (time.perf_counter() - started) * 1e3
        identity = self._identity(render, spec, loaded)
        render, spec, looked_ms = self._located(render, spec, loaded[0])
        images = read_inputs(render)
        job = EngineJob(
            render,
            spec,
            self._trajectories(spec, loaded, images, range(spec.images)),
            identity,
            arrived,
            load_ms=load_ms,
            gpu_ms=looked_ms,
            held=held,
        )
        self.snapshots.resume(job.identity, job.resume)
        return job

    def _located(
        self, render: Render, spec: RenderSpec, loaded: Loaded
    ) -> tuple[Render, RenderSpec, float]:
        """A region that is named in words becomes a mask, as if it had been sent; with the milliseconds."""
        if not spec.region or spec.mask is not None:
            return render, spec, 0.0
        started = time.perf_counter()
        picture = origin_of(
            replace(spec, kind=RenderKind.IMAGE, region=""), read_inputs(render)
        ).picture
        assert picture is not None
        with self._turns[id(loaded.family)]:
            mask = as_input(regions.found(spec, loaded.family, picture, turn=loaded.turn))
        sent = msgspec.structs.replace(render, inputs=[*render.inputs, mask])
        located = replace(spec, mask=Source(f"region/{mask.sha256}", mask.sha256))
        return sent, located, (time.perf_counter() - started) * 1e3

    def again(self, job: EngineJob, place: int) -> Trajectory:
        """This trajectory from its start, in the next higher precision."""
        broken = job.trajectories[place]
        dtype = HIGHER[broken.leg.loaded.family.dtype]
        loaded = [self.pool.get(leg.loaded.name, dtype) for leg in broken.legs]
        images = read_inputs(job.render)
        (fresh,) = self._trajectories(job.spec, loaded, images, [broken.index])
        fresh.retried = True
        return fresh

    def risen(self, job: EngineJob, place: int) -> Trajectory:
        """This trajectory at its second pass: its picture, enlarged, is to latents again and noised."""
        one, started = job.trajectories[place], time.perf_counter()
        spec = second_pass(job.spec, self.pool.catalog.get(job.spec.checkpoint))
        leg, generator = one.legs[one.stage + 1], torch.Generator("cpu")
        generator.set_state(one.generator.get_state())  # a snapshot may be taken meanwhile
        with torch.inference_mode(), self._turns[id(leg.loaded.family)]:
            pixels = one.leg.eye.decode(one.latents)
            picture = enlarged(image_of(pixels[0]), (spec.width, spec.height), wraps=spec.tile)
            start = leg.eye.start(spec, leg.sampler, generator, Origin(picture))
        job.gpu_ms += (time.perf_counter() - started) * 1e3
        return one.risen(start.latents, generator)

    def _identity(self, render: Render, spec: RenderSpec, loaded: Sequence[Loaded]) -> Identity:
        worn = self.wardrobe.digest(spec)
        return Identity(
            job_id=render.job_id,
            spec=spec.sha256(),
            weights=" ".join([*(one.sha256 for one in loaded), *filter(None, [worn])]),
            libraries=snapshots.libraries(),
        )

    def _load(self, render: Render, spec: RenderSpec) -> list[Loaded]:
        names = [spec.checkpoint, *([spec.refiner.checkpoint] if spec.refiner else [])]
        loaded = []
        for name in names:
            if not self.pool.is_warm(name):
                self.send(Loading(render.job_id, name))
            loaded.append(self.pool.get(name))
        return loaded

    def _trajectories(
        self,
        spec: RenderSpec,
        loaded: Sequence[Loaded],
        images: dict[str, Image.Image],
        wanted: Sequence[int],
    ) -> list[Trajectory]:
        origin = origin_of(spec, images)
        legs = [self._leg(spec, loaded[0], images)]
        legs += [self._refining(spec, one) for one in loaded[1:]]
        legs += [self._larger(spec, loaded[0], images)] if spec.hires else []
        return [self._trajectory(spec, index, legs, origin) for index in wanted]

    def _leg(self, spec: RenderSpec, loaded: Loaded, images: dict[str, Image.Image]) -> Leg:
        family = loaded.family
        with self._turns[id(family)]:
            family.latent_shape(spec)
            sampler = _sampler(spec, loaded, refining=False)
            self.wardrobe.fit(spec, family)
            told = self.wardrobe.dressed(spec, family, family.encode(spec), images)
            eye = self.wardrobe.eye(spec, family)
        meets = meets_from(sampler.timesteps, family.config["num_train_timesteps"])
        told = led_away(spec, told)
        return Leg(loaded, told, sampler, _evaluations(spec, sampler), eye, meets_from=meets)

    def _larger(self, spec: RenderSpec, loaded: Loaded, images: dict[str, Image.Image]) -> Leg:
        """The same picture once more with more pixels, for the last share of the steps."""
        checkpoint = self.pool.catalog.get(spec.checkpoint)
        again = second_pass(spec, checkpoint)
        leg = self._leg(replace(again, stop=spec.stop), loaded, images)
        return replace(leg, shape=loaded.family.latent_shape(again))

    def _refining(self, spec: RenderSpec, loaded: Loaded) -> Leg:
        """A refiner wears nothing: adapters are made for the base."""
        with self._turns[id(loaded.family)]:
            sampler = _sampler(spec, loaded, refining=True)
            told = loaded.family.encode(replace(spec, loras=(), embeddings=()))
        return Leg(loaded, told, sampler, len(sampler.timesteps), loaded.family)

    def _trajectory(
        self, spec: RenderSpec, index: int, legs: Sequence[Leg], origin: Origin
    ) -> Trajectory:
        seed, generator = seeded(spec, index)
        own = [replace(leg, sampler=leg.sampler.fork()) for leg in legs]
        first, family = own[0], own[0].loaded.family
        told = strayed(
            spec, first.conditioning, index=index, evaluations=len(first.sampler.timesteps)
        )
        with self._turns[id(family)]:
            start = first.eye.start(spec, first.sampler, generator, origin)
        own[0] = replace(first, conditioning=told, kept=start.kept, beside=start.beside)
        return Trajectory(index, seed, generator, own, State(_leant(spec, index, start, first)))


def _leant(spec: RenderSpec, index: int, start: Start, leg: Leg) -> torch.Tensor:
    if spec.variation is None or spec.kind is not RenderKind.TEXT:
        return start.latents
    scale = leg.sampler.start_scale
    return leaning(spec, index, start.latents / scale) * scale


def _sampler(spec: RenderSpec, loaded: Loaded, *, refining: bool) -> Sampler:
    try:
        sampler = loaded.family.sampler(spec, refining=refining)
        _ = sampler.table  # probed here, beside the loop, and shared by its forks
        return sampler
    except ValueError as problem:
        raise Fault("bad_spec", f"Sampler {spec.sampler}: {problem}") from problem


def _evaluations(spec: RenderSpec, sampler: Sampler) -> int:
    """`--stop` ends it before the sampler does; never before its first step."""
    goes_on = spec.refiner or spec.hires  # at the base's very end
    stop = 1.0 if goes_on else spec.stop
    return max(1, round(len(sampler.timesteps) * stop))


def _read(render: Render) -> RenderSpec:
    try:
        spec = RenderSpec.from_dict(dict(render.spec))
    except (TypeError, KeyError, ValueError, AttributeError) as problem:
        raise Fault("bad_spec", f"The recipe cannot be read: {problem}") from problem
    if not (1 <= spec.images <= MOST_IMAGES and 1 <= spec.steps <= MOST_STEPS):
        raise Fault("bad_spec", f"{spec.images} images of {spec.steps} steps cannot be rendered.")
    return spec
