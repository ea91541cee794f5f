"""The parent's side of an engine in this process: sends jobs, steps it, reads what came back."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from farm.engine.engine import Engine
from farm.engine.inspection import ImageFilter, Inspections
from farm.engine.memory.pool import Pool
from farm.engine.messages import Failed, Finding, GivenBack, Picture, Render, Rendered, ToParent
from farm.engine.snapshots import SnapshotFolder, SnapshotWriter
from shared.spec import RenderSpec, WeightedText

PROMPTS = (
    "a red sailboat on the sea at sunset",
    "a blue house in the snow at night",
    "a green tree in a meadow by day",
    "a white lighthouse by the sea at dawn",
)


class Willing:
    """Lets everything through: the filter itself is tested with the filter."""

    def inspect(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Finding]:
        return [
            Finding(hashlib.sha256(one.rgb).hexdigest(), "allow", "none", 0.0, "", "test")
            for one in pictures
        ]


class Desk:
    def __init__(
        self,
        pool: Pool,
        folder: Path,
        *,
        rows: int = 16,
        open_filter: Callable[[str], ImageFilter] = lambda _: Willing(),
        **engine: Any,
    ) -> None:
        self.sent: list[ToParent] = []
        self.folder = SnapshotFolder(folder)
        self.woken = threading.Event()
        self.engine = Engine(
            pool,
            rows=rows,
            snapshots=SnapshotWriter(self.folder),
            inspections=Inspections(open_filter, wake=self.woken.set),
            send=self.sent.append,
            wake=self.woken.set,
            **engine,
        )

    def admit(
        self, spec: RenderSpec, job_id: str = "job", *, wait: bool = True, **render: Any
    ) -> None:
        """Returns once it is prepared, unless told not to `wait`."""
        wanted = {"attempt": 1, "snapshot_every": 0, "preview_every": 0} | render
        self.engine.admit(Render(job_id=job_id, spec=spec.as_dict(), **wanted))
        while wait and self.engine.entrance.preparing:
            self._await()

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.engine.step()

    def finish(self) -> None:
        """Until nothing is left to do."""
        while self.engine.running or self.engine.busy_beside or self.engine.parking.shelved:
            if self.engine.idle and self.engine.busy_beside:
                self._await()
            self.engine.step()
        self.engine.snapshots.flush()

    def settle(self) -> None:
        """Until nothing is under way beside the loop."""
        while self.engine.busy_beside:
            self._await()

    def _await(self) -> None:
        assert self.woken.wait(20), "the work beside the loop does not end"
        self.woken.clear()
        self.engine.collect()

    def render(self, spec: RenderSpec, job_id: str = "job", **render: Any) -> Rendered:
        self.admit(spec, job_id, **render)
        self.finish()
        return self.rendered(job_id)

    def rendered(self, job_id: str = "job") -> Rendered:
        return self._last(Rendered, job_id)

    def failed(self, job_id: str = "job") -> Failed:
        return self._last(Failed, job_id)

    def given_back(self, job_id: str = "job") -> GivenBack:
        return self._last(GivenBack, job_id)

    def _last(self, kind: type[Any], job_id: str) -> Any:
        found = [one for one in self.sent if isinstance(one, kind) and one.job_id == job_id]
        assert found, f"no {kind.__name__} for {job_id} in {self.sent}"
        return found[-1]


def recipe(prompt: str = PROMPTS[0], **changes: Any) -> RenderSpec:
    plain: dict[str, Any] = {
        "checkpoint": "postcards",
        "texts": (WeightedText(prompt),),
        "negative": "",
        "width": 64,
        "height": 64,
        "steps": 6,
        "guidance": 4.0,
        "sampler": "dpm++2m-karras",
        "seed": 7,
        "images": 2,
        "scale": 8,
        "pixel_art": True,
    }
    return RenderSpec(**(plain | changes))
