"""Each kind of detector from files on the disk: what it loads, what it refuses, and how it decides."""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, CLIPImageProcessorPil, ViTForImageClassification

from farm.engine.messages import Picture
from farm.engine.weights import manifest
from farm.pictures import picture_of
from farm.safety.declarations import DEFAULTS, Declaration, read_declarations
from farm.safety.detectors.classifier import Classifier
from farm.safety.detectors.contract import WrongAnswer
from farm.safety.detectors.grading import Grading, Threshold
from farm.safety.detectors.views import squares
from farm.safety.images import KINDS, open_filter
from farm.safety.seal import Seal
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.errors import Fault
from tests.farm.safety import tiny

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
BAND = Threshold(block=0.9, strict=0.5)
RED, ROSE, BLUE = (
    tiny.coloured(220, 10, 10),
    tiny.coloured(200, 110, 110),
    tiny.coloured(10, 10, 220),
)


def declared(kind: str, folder: Path, **changes: Any) -> Declaration:
    given: dict[str, Any] = {
        "name": "own",
        "kind": kind,
        "folder": folder,
        "labels": {"normal": (), "nsfw": ("sexual",)},
        "thresholds": {"sexual": BAND},
    }
    return Declaration(**(given | changes))


def loaded(declaration: Declaration) -> Classifier:
    detector: Classifier = import_module(KINDS[declaration.kind]).load(declaration, device="cpu")
    detector.prove()
    return detector


def red(folder: Path, **changes: Any) -> Declaration:
    path = folder.parent / "detectors.toml"
    path.write_text(
        f'[detectors.red]\nkind = "onnx"\nmanifest = "{tiny.redness(folder, **changes)}"'
    )
    return read_declarations(path)["red"]


# --- decisions of a model that really sees something ---------------------------------------------


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "logits"])
def test_what_it_sees_is_what_it_decides(tmp_path: Path, output: str) -> None:
    detector = loaded(red(tmp_path / "red", output=output))
    sights = detector.look([RED, ROSE, BLUE])
    assert [one.decision for one in sights] == ["block", "allow", "allow"]
    assert (sights[0].category, sights[0].rule) == ("gore", "red:gore")
    assert sights[0].score > 0.99 > sights[1].score > 0.5 > sights[2].score


def test_what_is_doubtful_is_blocked_for_a_prompt_from_the_grey_zone(tmp_path: Path) -> None:
    detector = loaded(red(tmp_path / "red"))
    sights = detector.look([RED, ROSE, BLUE], strict=True)
    assert [one.decision for one in sights] == ["block", "block", "allow"]
    assert [one.rule for one in sights] == ["red:gore", "red:gore:strict", ""]


@pytest.mark.parametrize("count", [1, 8, 9, 17])
def test_many_pictures_are_looked_at_in_parts_and_answered_in_order(
    tmp_path: Path, count: int
) -> None:
    detector = loaded(red(tmp_path / "red"))
    pictures = [RED if place % 3 == 0 else BLUE for place in range(count)]
    decided = [one.decision == "block" for one in detector.look(pictures)]
    assert decided == [place % 3 == 0 for place in range(count)]


def test_a_graph_is_given_its_pixels_as_its_manifest_says(tmp_path: Path) -> None:
    swapped = {"width": 8, "height": 8, "channels": "bgr", "mean": [0.1, 0.1, 0.1]}
    detector = loaded(red(tmp_path / "red", input=swapped))
    assert [one.decision for one in detector.look([RED, BLUE])] == ["allow", "block"]


# --- families of transformers --------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tiny model of each family; nobody writes to them."""
    place = tmp_path_factory.mktemp("detectors")
    tiny.vit(place / "vit")
    tiny.checker(place / "checker")
    tiny.clip(place / "clip")
    return place


def test_a_vit_says_what_transformers_says(folders: Path) -> None:
    model = ViTForImageClassification.from_pretrained(folders / "vit")
    processor = AutoImageProcessor.from_pretrained(folders / "vit", backend="pil")
    image = Image.frombytes("RGB", (64, 64), RED.rgb)
    with torch.inference_mode():
        logits = model(**processor(image, return_tensors="pt")).logits
    (sight,) = loaded(declared("vit", folders / "vit")).look([RED])
    assert sight.score == pytest.approx(logits.softmax(-1)[0, 1].item(), abs=1e-5)


def test_the_safety_checker_decides_as_diffusers_own(folders: Path) -> None:
    numbers = np.random.default_rng(3)
    coarse = numbers.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    noises = list(coarse.repeat(16, 1).repeat(16, 2))
    model = StableDiffusionSafetyChecker.from_pretrained(folders / "checker").eval()
    size = {"height": tiny.SIDE, "width": tiny.SIDE}
    processor = CLIPImageProcessorPil(size={"shortest_edge": tiny.SIDE}, crop_size=size)
    pixels = processor([Image.fromarray(one) for one in noises], return_tensors="pt")[
        "pixel_values"
    ]
    with torch.no_grad():
        seen = model.visual_projection(model.vision_model(pixels)[1])
        cosines = torch.nn.functional.cosine_similarity(
            seen[:, None], model.concept_embeds[None], dim=2
        )
    surest = cosines.amax(1)
    middle = float(surest.sort().values[5:7].mean())

    folder = folders / "checker-halfway"
    _with_thresholds(folders / "checker", folder, middle)
    half = StableDiffusionSafetyChecker.from_pretrained(folder).eval()
    _, flagged = half(pixels, [np.zeros((2, 2, 3)) for _ in noises])
    detector = loaded(declared("safety_checker", folder, **_checkers()))
    sights = detector.look([_picture(one) for one in noises])
    assert [one.decision == "block" for one in sights] == flagged
    assert sum(flagged) == 6


def _checkers() -> dict[str, Any]:
    return DEFAULTS["safety_checker"]


def _with_thresholds(source: Path, folder: Path, threshold: float) -> None:
    folder.mkdir()
    tensors = load_file(source / "model.safetensors")
    tensors["concept_embeds_weights"].fill_(threshold)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text((source / "config.json").read_text())
    manifest.write(folder)


def _picture(pixels: np.ndarray) -> Picture:
    return picture_of(Image.fromarray(pixels), index=0, seed=0)


def test_beside_somebody_who_may_be_young_it_is_stricter_and_says_so(folders: Path) -> None:
    detector = loaded(declared("safety_checker", folders / "checker", **_checkers()))
    assert detector.look([RED])[0].decision == "allow"
    folder = folders / "checker-young"
    _with_thresholds(folders / "checker", folder, -0.2)
    tensors = load_file(folder / "model.safetensors")
    tensors["special_care_embeds_weights"].fill_(-1.0)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    manifest.write(folder)
    young = loaded(declared("safety_checker", folder, **_checkers()))
    (sight,) = young.look([RED])
    assert (sight.decision, sight.category) == ("block", "minor")


def test_clip_is_asked_for_the_sentences_that_are_declared(folders: Path) -> None:
    labels = {"a red picture": ("gore",), "a blue picture": ()}
    declaration = declared("clip", folders / "clip", labels=labels, thresholds={"gore": BAND})
    detector = loaded(declaration)
    (sight,) = detector.look([RED])
    assert detector.covers == {"gore"}
    assert 0 < sight.score < 1


# --- what is refused at the start ----------------------------------------------------------------


def test_a_label_that_nobody_explained_is_refused(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path / "vit", labels=("normal", "nsfw", "weird"))
    with pytest.raises(Fault, match="weird"):
        loaded(declared("vit", folder))


def test_a_label_that_the_model_lacks_is_refused(folders: Path) -> None:
    labels = {"normal": (), "nsfw": ("sexual",), "gory": ("gore",)}
    thresholds = {"sexual": BAND, "gore": BAND}
    with pytest.raises(Fault, match="gory"):
        loaded(declared("vit", folders / "vit", labels=labels, thresholds=thresholds))


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path / "vit")
    (folder / "manifest.json").unlink()
    with pytest.raises(Fault, match=r"no manifest\.json"):
        loaded(declared("vit", folder))


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path / "vit")
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\0\0\0\0")
    with pytest.raises(Fault, match=r"model\.safetensors .* changed"):
        loaded(declared("vit", folder))


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path / "vit")
    (folder / "pytorch_model.bin").write_bytes(b"anything")
    manifest.write(folder)
    with pytest.raises(Fault, match=r"pytorch_model\.bin"):
        loaded(declared("vit", folder))


def test_a_folder_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path / "vit")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.Y"}}))
    manifest.write(folder)
    with pytest.raises(Fault, match="auto_map"):
        loaded(declared("vit", folder))


def test_a_tensor_that_is_missing_is_not_made_up(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path / "vit")
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    manifest.write(folder)
    with pytest.raises(Fault, match=r"lacks 1 tensors, such as classifier\.weight"):
        loaded(declared("vit", folder))


def test_weights_that_are_no_numbers_fail_the_test_at_the_start(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path / "vit")
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.bias"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    manifest.write(folder)
    with pytest.raises(Fault, match="wrong score"):
        loaded(declared("vit", folder))


def test_a_model_that_needs_a_library_we_have_not_is_refused_by_name(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path / "vit")
    timm = {"model_type": "timm_wrapper", "architectures": ["TimmWrapperForImageClassification"]}
    (folder / "config.json").write_text(json.dumps(timm))
    manifest.write(folder)
    with pytest.raises(Fault, match="timm"):
        loaded(declared("vit", folder))


def test_another_graph_than_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="SHA-256"):
        loaded(red(tmp_path / "red", sha256="0" * 64))


def test_a_graph_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "other.onnx").write_bytes(b"no graph")
    digest = hashlib.sha256(b"no graph").hexdigest()
    with pytest.raises(Fault, match="cannot be loaded"):
        loaded(red(tmp_path / "red", file="other.onnx", sha256=digest))


def test_tensors_beside_a_graph_are_not_read(tmp_path: Path) -> None:

    declaration = red(tmp_path / "red")
    model = onnx.load(tmp_path / "red" / "redness.onnx")
    beside = tmp_path / "red" / "beside.onnx"
    onnx.save(model, beside, save_as_external_data=True, location="beside.bin", size_threshold=0)
    graph = declaration.graph
    assert graph is not None
    digest = hashlib.sha256(beside.read_bytes()).hexdigest()
    with pytest.raises(Fault, match="cannot be loaded"):
        loaded(replace(declaration, graph=replace(graph, file=beside, sha256=digest)))


def test_a_gpu_that_is_not_there_is_refused(folders: Path) -> None:
    wanting = declared("vit", folders / "vit", device="cuda")
    with pytest.raises(Fault, match="wants a GPU"):
        open_filter(replace(POSTCARDS, detectors=("own",)), declared={"own": wanting})


# --- what is refused at run time -----------------------------------------------------------------


def test_weights_that_change_while_it_runs_block_until_they_are_back(tmp_path: Path) -> None:
    declaration = red(tmp_path / "red")
    file = tmp_path / "red" / "redness.onnx"
    detector = loaded(declaration)
    assert detector.look([BLUE])[0].decision == "allow"
    original = file.read_bytes()
    file.write_bytes(original + b"\0")
    with pytest.raises(WrongAnswer, match="weights"):
        detector.look([BLUE])
    file.unlink()
    with pytest.raises(WrongAnswer, match="weights"):
        detector.look([BLUE])
    file.write_bytes(original)
    assert detector.look([BLUE])[0].decision == "allow"


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    before = file.stat()
    seal = Seal.of_file(file, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    seal.check()
    file.write_bytes(b"xyz")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(WrongAnswer, match="weights"):
        seal.check()


def graded(score: Any, *, exclusive: bool = True) -> Classifier:
    labels = {"plain": (), "bad": ("gore",)}
    grading = Grading("scripted", ("plain", "bad"), labels, {"gore": BAND}, exclusive)
    return Classifier(grading, score, Seal({}))


@pytest.mark.parametrize(
    ("scores", "what"),
    [
        ([[0.5, 0.5], [0.5, 0.5]], "shape"),
        ([[0.2, 0.3, 0.5]], "shape"),
        ([[float("nan"), 0.5]], "score"),
        ([[-0.5, 1.5]], "score"),
        ([[0.5, 0.1]], "score"),  # of exclusive classes, that do not sum to one
    ],
)
def test_scores_that_cannot_be_are_no_answer(scores: Any, what: str) -> None:
    with pytest.raises(WrongAnswer, match=what):
        graded(lambda _: np.array(scores)).look([RED])


def test_a_model_that_sees_nothing_fails_the_test_at_the_start() -> None:
    with pytest.raises(Fault, match="black from noise"):
        graded(lambda images: np.tile([0.5, 0.5], (len(images), 1))).prove()


def test_a_picture_is_as_bad_as_the_worst_square_of_it() -> None:
    """Nothing is cut off: what stands at the edge of a wide picture is judged too."""
    wide = np.zeros((64, 160, 3), np.uint8)
    wide[:, 150:] = (255, 0, 0)
    seen: list[int] = []

    def score(images: Sequence[Image.Image]) -> Any:
        bad = [float(np.asarray(one)[..., 0].max() > 0) for one in images]
        seen.append(len(images))
        return np.array([[1 - one, one] for one in bad])

    grading = Grading(
        "edges", ("plain", "bad"), {"plain": (), "bad": ("gore",)}, {"gore": BAND}, True
    )
    detector = Classifier(grading, score, Seal({}), squares)
    sights = detector.look([BLUE_TALL, _picture(wide), BLUE_TALL])
    assert [one.decision for one in sights] == ["allow", "block", "allow"]
    assert seen == [2 + 3 + 2]


BLUE_TALL = tiny.coloured(0, 0, 200, width=64, height=96)


# --- NudeNet, an extra: where it is not installed, a double of its package ------------------------


@pytest.fixture
def parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> list[Any]:
    """What the double finds in a picture that is not black."""
    found: list[Any] = []
    sharp = 0.0 if "blind" in request.node.name else 1.0

    class NudeDetector:
        def __init__(self, model_path: str) -> None:
            assert Path(model_path).read_bytes() == b"weights"
            self.input_name, self.input_width = "images", 32
            self.onnx_session = self

        def run(self, _: None, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
            (pixels,) = batch.values()
            assert pixels.shape == (1, 3, 32, 32)
            return [pixels.mean(keepdims=True) * sharp]

        def detect(self, pixels: np.ndarray) -> list[Any]:
            return found if pixels.any() else []

    (tmp_path / "nudenet").mkdir()
    (tmp_path / "nudenet" / "320n.onnx").write_bytes(b"weights")
    module = ModuleType("nudenet")
    module.__spec__ = ModuleSpec("nudenet", None, origin=str(tmp_path / "nudenet" / "__init__.py"))
    module.NudeDetector = NudeDetector  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nudenet", module)
    return found


def nude() -> Declaration:
    digest = hashlib.sha256(b"weights").hexdigest()
    return Declaration(name="nude", kind="nudenet", sha256=digest, **DEFAULTS["nudenet"])


def test_body_parts_are_blocked_by_their_surest_sight(parts: list[Any]) -> None:
    detector = loaded(nude())
    assert detector.look([RED])[0].decision == "allow"
    parts += [{"class": "BUTTOCKS_EXPOSED", "score": score, "box": []} for score in (0.4, 0.6)]
    (sight,) = detector.look([RED])
    assert (sight.decision, sight.category, sight.score) == ("block", "sexual", 0.6)


@pytest.mark.usefixtures("parts")
def test_a_finder_that_is_blind_is_not_taken_for_one_that_finds_nothing() -> None:
    with pytest.raises(Fault, match="black from noise"):
        loaded(nude())


def test_a_body_part_that_nobody_declared_is_no_answer(parts: list[Any]) -> None:
    detector = loaded(nude())
    parts.append({"class": "TAIL_EXPOSED", "score": 0.1, "box": []})
    with pytest.raises(WrongAnswer, match="label"):
        detector.look([RED])


@pytest.mark.skipif(find_spec("nudenet") is not None, reason="NudeNet is installed")
def test_an_extra_that_is_not_installed_is_named() -> None:
    with pytest.raises(Fault, match=r"pip install 'pictor\[nudity\]'"):
        loaded(nude())
