"""The judge's eye: files against their rows, and pixels drawn again from spec and seed alone."""

import hashlib
import io
import json
from collections.abc import Iterator

from PIL import Image

from tests.chaos.evidence import Evidence, Row

GUTTER = 8
Broken = Iterator[str]


def wrong_pixels(evidence: Evidence) -> Broken:
    specs = {id: json.loads(row["spec"]) for id, row in evidence.jobs.items()}
    for asset in evidence.tables["assets"]:
        path = evidence.assets / asset["key"]
        if asset["kind"] == "recipe" or not path.is_file():
            continue  # another rule says so
        try:
            stored = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
        except OSError as error:
            yield f"{asset['key']} is no picture: {error}"
            continue
        expected = _expected(specs[asset["job_id"]], asset)
        if stored.size != expected.size or stored.tobytes() != expected.tobytes():
            yield f"{asset['key']} shows other pixels"


def missing_files(evidence: Evidence) -> Broken:
    """Each picture of a job that succeeded has a row, and its recipe; and each row a file."""
    by_job = evidence.of_jobs("assets")
    for id, row in evidence.jobs.items():
        kinds = [(asset["kind"], asset["index"]) for asset in by_job.get(id, [])]
        images = json.loads(row["spec"])["images"]
        wanted = [("grid", 0), *(("image", index) for index in range(images)), ("recipe", 0)]
        if sorted(kinds) != (wanted if row["state"] == "succeeded" else []):
            yield f"job {id} ({row['state']}) has {sorted(kinds)}"
    for asset in evidence.tables["assets"]:
        if not (evidence.assets / asset["key"]).is_file():
            yield f"{asset['key']} is not there"


def wrong_bytes(evidence: Evidence) -> Broken:
    for asset in evidence.tables["assets"]:
        path = evidence.assets / asset["key"]
        data = path.read_bytes() if path.is_file() else None
        if data is not None and (len(data), _sha256(data)) != (asset["size"], asset["sha256"]):
            yield f"{asset['key']} is not what its row says"


def stray_files(evidence: Evidence) -> Broken:
    if evidence.swept:
        yield from (f"{key} is of no row" for key in strays(evidence))


def strays(evidence: Evidence) -> list[str]:
    """Files that no row names."""
    named = {asset["key"] for asset in evidence.tables["assets"]}
    files = (path for path in evidence.assets.rglob("*") if path.is_file())
    return sorted(
        key for path in files if (key := str(path.relative_to(evidence.assets))) not in named
    )


def _expected(spec: Row, asset: Row) -> "Image.Image":
    tiles = [_tile(spec, index) for index in range(spec["images"])]
    return tiles[asset["index"]] if asset["kind"] == "image" else _sheet(tiles)


def _tile(spec: Row, index: int) -> "Image.Image":
    seed = (spec["seed"] + index) % 2**32
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    link = hashlib.sha256(f"{text} {seed}".encode()).digest()
    for step in range(1, spec["steps"] + 1):
        link = hashlib.sha256(link + step.to_bytes(4, "big")).digest()
    size = spec["width"], spec["height"]
    return Image.frombytes("RGB", size, hashlib.shake_256(link).digest(size[0] * size[1] * 3))


def _sheet(tiles: list["Image.Image"]) -> "Image.Image":
    width, height = tiles[0].size
    columns = min(2, len(tiles))
    rows = (len(tiles) + columns - 1) // columns
    size = columns * (width + GUTTER) - GUTTER, rows * (height + GUTTER) - GUTTER
    sheet = Image.new("RGB", size, (24, 25, 28))
    for place, tile in enumerate(tiles):
        across, down = place % columns, place // columns
        sheet.paste(tile, (across * (width + GUTTER), down * (height + GUTTER)))
    return sheet


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
