"""CLIP asked which of the declared sentences fits a picture best: a detector for any category.

It needs no training and is as good as its sentences: measure it on your own pictures
(`pictor safety bias`) before you rely on it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch.nn.functional import normalize
from transformers import AutoTokenizer, CLIPModel

from farm.safety.declarations import Declaration
from farm.safety.detectors import folders
from farm.safety.detectors.classifier import Classifier
from farm.safety.detectors.grading import Scores
from farm.safety.detectors.views import squares


def load(declared: Declaration, *, device: str) -> Classifier:
    """Its labels are the sentences. Fault when its folder is not what its manifest says, or no CLIP."""
    sentences = tuple(declared.labels)
    with folders.opened(declared) as (folder, seal):
        model = folders.load(CLIPModel, folder, device=device)
        tokenizer = AutoTokenizer.from_pretrained(folder, **folders.LOCAL)
        side = model.config.vision_config.image_size
        prepare = folders.clip_preparation(folder, side, device=device)
        meant = _meant(model, tokenizer, sentences)

    @torch.inference_mode()
    def score(images: Sequence[Image.Image]) -> Scores:
        seen = normalize(model.get_image_features(pixel_values=prepare(images)).pooler_output)
        likely = (model.logit_scale.exp() * seen @ meant.T).double().softmax(dim=1)
        return likely.cpu().numpy()

    return Classifier(declared.grading(sentences, exclusive=True), score, seal, squares)


@torch.inference_mode()
def _meant(model: Any, tokenizer: Any, sentences: Sequence[str]) -> torch.Tensor:
    tokens = tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
    features = model.get_text_features(**tokens.to(model.device))
    return normalize(features.pooler_output)
