"""Picture classifiers of transformers, such as Falconsai/nsfw_image_detection (a ViT)."""

from collections.abc import Sequence

import torch
from PIL import Image
from transformers import AutoModelForImageClassification

from farm.safety.declarations import Declaration
from farm.safety.detectors import folders
from farm.safety.detectors.classifier import Classifier
from farm.safety.detectors.grading import Scores


def load(declared: Declaration, *, device: str) -> Classifier:
    """Fault when its folder is not what its manifest says, no classifier, or names other labels."""
    with folders.opened(declared) as (folder, seal):
        model = folders.load(
            AutoModelForImageClassification, folder, device=device, trust_remote_code=False
        )
        prepare = folders.preparation(folder, device=device)
        names = {int(number): str(name) for number, name in model.config.id2label.items()}
    independent = model.config.problem_type == "multi_label_classification"

    @torch.inference_mode()
    def score(images: Sequence[Image.Image]) -> Scores:
        logits = model(pixel_values=prepare(images)).logits.double()
        chances = logits.sigmoid() if independent else logits.softmax(dim=1)
        return chances.cpu().numpy()

    classes = tuple(names[number] for number in sorted(names))
    return Classifier(declared.grading(classes, exclusive=not independent), score, seal)
