"""Stable Diffusion's own checker: CLIP's view of a picture, compared with concepts it was given.

A concept counts when its cosine exceeds the checker's threshold for it. Our score is 0.5 there, and
moves by half of what the cosine differs, so that 0.49 is the checker with an adjustment of 0.02.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from torch.nn.functional import normalize

from farm.safety.declarations import Declaration
from farm.safety.detectors import folders
from farm.safety.detectors.classifier import Classifier
from farm.safety.detectors.grading import Scores
from farm.safety.detectors.views import squares

CLASSES = ("concept_with_care", "concept")
CARE = 0.01  # the checker's own: where a picture may show somebody young, it is that much stricter


def load(declared: Declaration, *, device: str) -> Classifier:
    """Fault when its folder is not what its manifest says, or no such checker."""
    with folders.opened(declared) as (folder, seal):
        model = folders.load(StableDiffusionSafetyChecker, folder, device=device)
        side = model.config.vision_config.image_size
        prepare = folders.clip_preparation(folder, side, device=device)

    @torch.inference_mode()
    def score(images: Sequence[Image.Image]) -> Scores:
        return _scores(model, prepare(images)).cpu().numpy()

    return Classifier(declared.grading(CLASSES, exclusive=False), score, seal, squares)


def _scores(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """[image, class]: the surest concept; the first class counts only beside somebody who may be young."""
    seen = normalize(model.visual_projection(model.vision_model(pixels)[1])).double()
    care = _margins(seen, model.special_care_embeds, model.special_care_embeds_weights)
    young = (care > 0).any(dim=1)
    concepts = _margins(seen, model.concept_embeds, model.concept_embeds_weights)
    surest = concepts.amax(dim=1) + CARE * young
    score = (0.5 + surest / 2).clamp(0, 1)
    return torch.stack([score * young, score], dim=1)


def _margins(seen: torch.Tensor, embeds: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    return seen @ normalize(embeds).double().T - thresholds.double()
