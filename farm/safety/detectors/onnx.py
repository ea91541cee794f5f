"""Any classifier as an ONNX graph, by its manifest: no torch, and no code of anybody's but onnxruntime's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from farm.safety.declarations import Declaration, Input
from farm.safety.detectors.classifier import Classifier
from farm.safety.detectors.contract import WrongAnswer
from farm.safety.detectors.grading import Scores
from farm.safety.seal import Seal
from shared.errors import Fault

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# Tensors kept in other files are beyond the hash of this one: there is no such folder to find them in.
NOWHERE = "/nonexistent"
ERRORS_ONLY = 3


def load(declared: Declaration, *, device: str) -> Classifier:
    """Fault when the file is another than declared, cannot be run here, or takes more than one input."""
    graph = declared.graph
    assert graph is not None
    seal = Seal.of_file(graph.file, graph.sha256)
    session = _session(declared, graph.file.read_bytes(), device)
    (source,) = session.get_inputs()

    def score(images: Sequence[Image.Image]) -> Scores:
        batch = np.stack([prepared(one, graph.input) for one in images])
        found = session.run(None, {source.name: batch})[0]
        return _chances(np.asarray(found, dtype=np.float64), graph.output)

    return Classifier(
        declared.grading(graph.classes, exclusive=graph.output != "sigmoid"), score, seal
    )


def prepared(image: Image.Image, wanted: Input) -> NDArray[np.float32]:
    """float32 [c, h, w] or [h, w, c]."""
    sampling = Image.Resampling[wanted.resample.upper()]
    resized = image.resize((wanted.width, wanted.height), sampling)
    pixels: NDArray[Any] = np.asarray(resized, dtype=np.float32) / np.float32(255)
    if wanted.channels == "bgr":
        pixels = pixels[..., ::-1]
    mean, std = (np.array(numbers, dtype=np.float32) for numbers in (wanted.mean, wanted.std))
    pixels = (pixels - mean) / std
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if wanted.layout == "nchw" else pixels)


def _chances(found: Scores, output: str) -> Scores:
    if output != "logits":
        return found
    if found.ndim != 2:
        raise WrongAnswer("shape")
    raised = np.exp(found - found.max(axis=1, keepdims=True))
    chances: Scores = raised / raised.sum(axis=1, keepdims=True)
    return chances


def _session(declared: Declaration, model: bytes, device: str) -> Any:
    provider = PROVIDERS[device.partition(":")[0]]
    if provider not in onnxruntime.get_available_providers():
        sentence = (
            f"The image detector {declared.name} wants {device}, which onnxruntime lacks here."
        )
        raise Fault("detector_device", sentence)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", NOWHERE
    )
    place = {"device_id": device.partition(":")[2] or "0"} if device.startswith("cuda") else {}
    try:
        session = onnxruntime.InferenceSession(model, options, providers=[(provider, place)])
    except Exception as error:  # onnxruntime's own are many, and derive from nothing but this
        reason = " ".join(str(error).split())[:300]
        sentence = f"The image detector {declared.name} cannot be loaded: {reason}"
        raise Fault("detector_unreadable", sentence) from error
    if len(session.get_inputs()) != 1:
        sentence = f"The image detector {declared.name} takes more than one input."
        raise Fault("detector_unreadable", sentence)
    return session
