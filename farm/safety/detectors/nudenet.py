"""NudeNet finds body parts: an extra that an operator may choose (`pip install 'pictor[nudity]'`).

Its metadata says MIT and its licence files say AGPL-3.0; which of them binds you is yours to decide, so
nothing imports it unless a declaration names it. It knows nudity only, and nothing of age.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from farm.safety.declarations import Declaration
from farm.safety.detectors.classifier import Classifier
from farm.safety.detectors.contract import WrongAnswer
from farm.safety.detectors.grading import Scores
from farm.safety.seal import Seal
from shared.errors import Fault

OWN_FILE = "320n.onnx"  # comes with the package


def load(declared: Declaration, *, device: str) -> Classifier:
    """Fault when the extra is not installed, or its file is another than declared."""
    spec = find_spec("nudenet")
    if spec is None or spec.origin is None:
        sentence = (
            f"The image detector {declared.name} needs NudeNet: pip install 'pictor[nudity]'."
        )
        raise Fault("nudenet_missing", sentence)
    file = declared.file or Path(spec.origin).parent / OWN_FILE
    seal = Seal.of_file(file, declared.sha256)
    detector = import_module("nudenet").NudeDetector(model_path=str(file))
    classes = tuple(declared.labels)
    places = {name: place for place, name in enumerate(classes)}

    def score(images: Sequence[Image.Image]) -> Scores:
        scores = np.zeros((len(images), len(classes)))
        for row, image in zip(scores, images, strict=True):
            for part in detector.detect(np.ascontiguousarray(np.asarray(image)[..., ::-1])):  # BGR
                if part["class"] not in places:
                    raise WrongAnswer("label")
                place = places[part["class"]]
                row[place] = max(row[place], float(part["score"]))
        return scores

    def senses(images: Sequence[Image.Image]) -> Scores:
        """What its network says: it finds nothing below a chance of 0.2, neither in black nor in noise."""
        side, run = detector.input_width, detector.onnx_session.run
        shown = [
            np.asarray(one.resize((side, side)), np.float32) / np.float32(255) for one in images
        ]
        batches = [{detector.input_name: one.transpose(2, 0, 1)[None]} for one in shown]
        return np.stack([np.ravel(run(None, batch)[0]) for batch in batches])

    grading = declared.grading(classes, exclusive=False)
    return Classifier(grading, score, seal, senses=senses)
