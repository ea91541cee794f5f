"""What it costs to say where a picture comes from: marking, signing and verifying, over plain encoding."""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from farm import pictures
from farm.safety import keys
from farm.safety.examination import Trust, examine
from farm.safety.manifests import read_manifest
from farm.safety.provenance import Proven
from farm.safety.watermark import code_of, read
from tests.farm.safety.origin import FORMATS, JOB, claim, encoded, farm_in, scene

RUNS = 9


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        farm, place = farm_in(Path(folder)), Path(folder)
        trust = Trust(keys.read_root(place), keys.read_mark(place))
        for side in (512, 1032):
            plain = scene(side=side)
            code = code_of(JOB)
            marked = farm.mark(plain, code, index=0)
            data = {mime: encoded(marked, mime) for mime in FORMATS}
            png = farm.sign(data["image/png"], mime="image/png", claim=claim())
            unit = _median(partial(_png, plain))
            told = {
                "encode, unmarked (PNG)": unit,
                "encode, marked (PNG)": _median(partial(_png, marked)),
                "mark": _median(partial(farm.mark, plain, code, index=0)),
                **{
                    f"sign {kind}": _median(_signing(farm, data[m], m))
                    for m, kind in FORMATS.items()
                },
                "read the manifest": _median(
                    partial(read_manifest, png, "image/png", root=trust.root)
                ),
                "read the mark": _median(partial(read, np.asarray(marked), key=trust.mark)),
                "verify, all of it": _median(partial(examine, png, trust)),
            }
            print(f"{side} x {side}: plain encoding is 1")
            for name, seconds in told.items():
                print(f"  {name:<24} {seconds / unit:6.2f}   ({seconds * 1e3:.1f} ms)")


def _png(image: Image.Image) -> bytes:
    return pictures.png(image, parameters="", job_id="")


def _signing(farm: Proven, data: bytes, mime: str) -> Callable[[], bytes]:
    return partial(farm.sign, data, mime=mime, claim=claim())


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()
