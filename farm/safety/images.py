"""The image filter: an ensemble of detectors whose only silent answer is no.

It runs in the engine's process. Whatever goes wrong in a detector (an exception, a hang, a score
that is no number, a label nobody knows) blocks the picture with the rule `filter_failed:<what>`.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from random import Random

from farm.engine.messages import Finding, Picture
from farm.safety.deadline import Deadline
from farm.safety.declarations import WORLD, Declaration, Declarations
from farm.safety.detectors.classifier import Classifier
from farm.safety.detectors.contract import DAMAGED, POLICY, Detector, Sight, WrongAnswer
from farm.safety.detectors.pixels import PixelsDetector
from farm.safety.detectors.world import WorldDetector
from shared.catalog import Checkpoint
from shared.errors import Fault
from shared.safety.verdict import Decision

log = logging.getLogger(__name__)

# A loaded laptop judges 16 pictures in under 0.3 s; the watchdog waits longer than this.
DEADLINE_S = 10.0
SEVERITY = {Decision.ALLOW: 0, Decision.REVIEW: 1, Decision.BLOCK: 2}


class ImageFilter:
    def __init__(self, detectors: Sequence[Detector], *, seconds: float = DEADLINE_S) -> None:
        """Fault `filter_incomplete` when a category of the policy has no detector."""
        _check_coverage(detectors)
        self._detectors = tuple(detectors)
        self._deadline = Deadline(seconds)
        self.policy = _policy(detectors)

    def inspect(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Finding]:
        """One finding for each picture, in order, bound to the pixels by their SHA-256. Never raises.

        `strict` for pictures of a prompt from the grey zone.
        """
        sights = [Sight()] * len(pictures)
        for detector in self._detectors:
            # A blocked picture is looked at no further: later detectors may rely on its shape.
            open_ = [i for i, sight in enumerate(sights) if sight.decision is not Decision.BLOCK]
            answers = self._ask(detector, [pictures[i] for i in open_], strict=strict)
            for i, answer in zip(open_, answers, strict=True):
                sights[i] = max(sights[i], answer, key=_severity)
        policy = f"{self.policy}+strict" if strict else self.policy
        return [_finding(p, s, policy) for p, s in zip(pictures, sights, strict=True)]

    def _ask(self, detector: Detector, pictures: Sequence[Picture], *, strict: bool) -> list[Sight]:
        if not pictures:
            return []
        try:
            answers = self._deadline.call(lambda: detector.look(pictures, strict=strict))
            return _checked(detector, answers, len(pictures))
        except WrongAnswer as wrong:
            return _failed(detector, str(wrong), len(pictures))
        except TimeoutError:
            return _failed(detector, "timeout", len(pictures))
        except BaseException:  # in a thread of its own, so nobody means to stop this one
            log.exception("The image detector %s failed.", detector.name)
            return _failed(detector, "exception", len(pictures))


def _finding(picture: Picture, sight: Sight, policy: str) -> Finding:
    return Finding(
        sha256=hashlib.sha256(picture.rgb).hexdigest(),
        decision=sight.decision.value,
        category=sight.category,
        score=float(sight.score),
        rule=sight.rule,
        policy=policy,
    )


def open_filter(
    checkpoint: Checkpoint,
    *,
    declared: Declarations | None = None,
    device: str = "cpu",
) -> ImageFilter:
    """The filter for what this checkpoint can draw; Fault when it cannot be trusted to answer.

    `declared` are the operator's detectors; those that want a GPU get `device`.
    """
    known = declared or {}
    detectors: list[Detector] = [PixelsDetector()]
    _check_names(checkpoint, known)
    detectors.extend(
        LOADERS[name]() if name in LOADERS else _load(known[name], device)
        for name in checkpoint.detectors
    )
    image_filter = ImageFilter(detectors)
    _self_test(image_filter, checkpoint)
    return image_filter


LOADERS: dict[str, Callable[[], Detector]] = {WORLD: WorldDetector.load}
# By name, so that a filter imports only the libraries that it needs.
KINDS: Mapping[str, str] = {
    kind: f"farm.safety.detectors.{kind}"
    for kind in ("vit", "safety_checker", "clip", "onnx", "nudenet")
}


def _load(declared: Declaration, device: str) -> Detector:
    """Fault when it is not what its declaration says, or fails its test."""
    if declared.device == "cuda" and not device.startswith("cuda"):
        sentence = f"The image detector {declared.name} wants a GPU, and this worker has none."
        raise Fault("detector_device", sentence)
    place = device if declared.device == "cuda" else "cpu"
    detector: Classifier = import_module(KINDS[declared.kind]).load(declared, device=place)
    detector.prove()
    return detector


def _check_names(checkpoint: Checkpoint, declared: Declarations) -> None:
    known = {*LOADERS, *declared}
    for name in checkpoint.detectors:
        if name not in known:
            raise Fault(
                "filter_unknown",
                f"The checkpoint {checkpoint.name} names the image detector {name!r}; "
                f"known are: {', '.join(sorted(known))}.",
            )


def _self_test(image_filter: ImageFilter, checkpoint: Checkpoint) -> None:
    """A filter that cannot answer is none. One of a closed world that lets static through has lost its
    weights, whatever their hashes say."""
    side = checkpoint.native
    rgb = Random(0).randbytes(side * side * 3)
    static = Picture(0, side, side, rgb, sha256=hashlib.sha256(rgb).hexdigest(), seed=0)
    (finding,) = image_filter.inspect([static])
    passed = WORLD in checkpoint.detectors and finding.decision != Decision.BLOCK
    if passed or finding.rule.startswith("filter_failed"):
        raise Fault(
            "filter_unfit",
            f"The image filter of {checkpoint.name} did not recognise static "
            f"({finding.rule or finding.decision}); it would not stop anything else either.",
        )


def _checked(detector: Detector, answers: object, count: int) -> list[Sight]:
    if not isinstance(answers, list) or len(answers) != count:
        raise WrongAnswer("shape")
    labels = detector.covers | {"none"}
    for answer in answers:
        _check(answer, labels)
    return answers


def _check(answer: object, labels: frozenset[str]) -> None:
    if not isinstance(answer, Sight) or answer.decision not in SEVERITY:
        raise WrongAnswer("shape")
    if not (isinstance(answer.score, float) and 0.0 <= answer.score <= 1.0):  # nor is NaN
        raise WrongAnswer("score")
    if answer.category not in labels:
        raise WrongAnswer("label")


def _failed(detector: Detector, what: str, count: int) -> list[Sight]:
    rule = f"filter_failed:{detector.name}:{what}"
    return [Sight(Decision.BLOCK, DAMAGED, 1.0, rule)] * count


def _severity(sight: Sight) -> tuple[int, float]:
    return SEVERITY[sight.decision], sight.score


def _check_coverage(detectors: Sequence[Detector]) -> None:
    covered = frozenset[str]().union(*(detector.covers for detector in detectors))
    missing = (POLICY | {DAMAGED}) - covered
    if missing:
        raise Fault(
            "filter_incomplete",
            f"No image detector covers {', '.join(sorted(missing))}; "
            "give the checkpoint one in the catalog (detectors = [...]).",
        )


def _policy(detectors: Sequence[Detector]) -> str:
    """Names detectors, thresholds and weights together: a verdict says by which of them it was given."""
    parts = "|".join(f"{detector.name}:{detector.version}" for detector in detectors)
    return f"images-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"
