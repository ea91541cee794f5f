"""What a delivery is made of: marked, signed, hashed; and nothing leaves when one of them fails."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from farm.engine.messages import Picture
from farm.packing import Packed, Packer
from farm.pictures import native_of, picture_of
from farm.recipes import Weights
from farm.safety import keys
from farm.safety.looks import ALIKE, distance, looks_of
from farm.safety.manifests import State, read_manifest
from farm.safety.provenance import Proven
from farm.safety.watermark import WHOLE, code_of, read
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.errors import Fault
from shared.fingerprints import GRID
from shared.jobs import Job, JobKind, JobState
from shared.plans import Speed
from shared.spec import RenderSpec
from tests.farm.safety.origin import AT, JOB, decoded, farm_in, scene
from tests.farm.workshop import SPEC

WEIGHTS = Weights(read_catalog(SHARED / "catalog.toml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("farm") / "keys"


@pytest.fixture(scope="module")
def farm(folder: Path) -> Proven:
    return farm_in(folder)


@pytest.fixture(scope="module")
def drawn() -> list[Picture]:
    scenes = [scene(index, side=64) for index in range(2)]
    return [picture_of(one, index=index, seed=7 + index) for index, one in enumerate(scenes)]


@pytest.fixture(scope="module")
def packed(farm: Proven, drawn: Sequence[Picture]) -> Packed:
    return Packer(farm, WEIGHTS, now=lambda: AT)._pack(job(), drawn)


def job() -> Job:
    spec = replace(SPEC, images=2)
    return Job(
        id=JOB,
        account_id=JOB,
        plan="paid",
        kind=JobKind.IMAGINE,
        state=JobState.RUNNING,
        speed=Speed.FAST,
        prompt="a red sailboat on the sea",
        spec=spec,
        submission_key="",
        estimate_ms=1,
        submitted_at=AT,
        attempt=1,
        crashes=0,
    )


def test_every_picture_is_signed_under_our_root_and_names_its_job(
    packed: Packed, folder: Path
) -> None:
    *shown, recipe = packed.parcels
    assert [(one.kind, one.index) for one in shown] == [("grid", 0), ("image", 0), ("image", 1)]
    for one in shown:
        found = read_manifest(one.data, one.mime, root=keys.read_root(folder))
        assert (found.state, found.job) == (State.OURS, str(JOB))
        assert found.picture == f"{one.kind} {one.index}"
        assert found.recipe_sha256 == recipe.sha256
        assert one.sha256 == hashlib.sha256(one.data).hexdigest()


def test_every_picture_is_marked_with_its_job_and_place(packed: Packed, folder: Path) -> None:
    key = keys.read_mark(folder)
    places = []
    for one in packed.parcels[:-1]:
        found = read(np.asarray(decoded(one.data)), key=key)
        assert found is not None
        assert found.code == code_of(JOB)
        places.append(found.index)
    assert places == [WHOLE, 0, 1]


def test_the_recipe_is_exact_and_names_nobody(packed: Packed, drawn: Sequence[Picture]) -> None:
    told = json.loads(packed.parcels[-1].data)
    assert RenderSpec.from_dict(told["spec"]) == job().spec
    assert told["spec_sha256"] == job().spec.sha256()
    assert len(told["weights"]["postcards"]) == 64
    assert [one["seed"] for one in told["pictures"]] == [7, 8]
    assert [one["rgb_sha256"] for one in told["pictures"]] == [one.sha256 for one in drawn]
    assert {"python", "torch", "diffusers"} <= set(told["versions"])
    assert "account" not in json.dumps(told)


def test_every_picture_leaves_its_fingerprint(packed: Packed) -> None:
    assert [one.picture for one in packed.fingerprints] == [GRID, 0, 1]
    for one, parcel in zip(packed.fingerprints, packed.parcels, strict=False):
        assert one.code == code_of(JOB)
        assert distance(one.looks, looks_of(decoded(parcel.data))) <= 2


def test_the_native_pixels_of_a_marked_tile_are_nearly_those_that_were_drawn(
    packed: Packed, drawn: Sequence[Picture]
) -> None:
    """An upscale starts from them: each square's mean, so that of the mark next to nothing is left."""
    native = native_of(packed.parcels[1].data, job().spec)
    before, after = (np.frombuffer(one.rgb, np.uint8).astype(int) for one in (drawn[0], native))
    assert abs(before - after).mean() < 1.5


def test_other_scenes_do_not_look_alike() -> None:
    looks = [looks_of(scene(index, side=64)) for index in range(12)]
    apart = [distance(a, b) for i, a in enumerate(looks) for b in looks[:i]]
    assert min(apart) > ALIKE
    assert max(map(abs, looks)) < 2**63


def test_two_farms_with_the_same_keys_draw_the_same_marks(
    farm: Proven, drawn: Sequence[Picture]
) -> None:
    code = code_of(JOB)
    one, two = (farm.mark(scene(), code, index=0) for _ in range(2))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("what", ["mark", "sign"])
async def test_a_failure_on_the_way_packs_nothing(
    farm: Proven, drawn: Sequence[Picture], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Fault(f"not_{what}ed", "It could not be done.", retryable=True)

    monkeypatch.setattr(farm, what, fail)
    with pytest.raises(Fault, match="could not be done"):
        await Packer(farm, WEIGHTS).pack(job(), drawn)


def test_a_manifest_tells_the_prompt_only_if_the_operator_wishes(
    folder: Path, farm: Proven
) -> None:
    telling = farm_in(folder, tell_prompt=True)
    said = [Packer(farm, WEIGHTS)._claim(job(), b"{}", AT).prompt for farm in (farm, telling)]
    assert said == [None, "a red sailboat on the sea"]


def test_weights_that_are_gone_have_no_hash() -> None:
    assert WEIGHTS.sha256("no-such-checkpoint") is None
