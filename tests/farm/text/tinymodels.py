"""Two random language models of a few thousand weights, as transformers saves them: one also sees."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

WORDS = [
    "a",
    "red",
    "boat",
    "on",
    "the",
    "sea",
    "sun",
    "moon",
    "user",
    "system",
    "assistant",
    ":",
    ".",
]
SPECIAL = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<pad>"}
IMAGE = "<image>"
SIDE, PATCH = 16, 8
# Like Gemma 2's, this one knows no system role.
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{{ m.role }} : {% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
    "{% if p.type == 'image' %}<image> {% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %} . {% endfor %}"
)


def save_reader(folder: Path) -> None:
    """It can only read."""
    torch.manual_seed(7)
    tokens = _tokenizer()
    LlamaForCausalLM(_language(len(tokens))).save_pretrained(folder)
    tokens.save_pretrained(folder)


def save_seer(folder: Path) -> None:
    """It reads, and looks at pictures of 16 x 16 pixels."""
    torch.manual_seed(7)
    tokens = _tokenizer()
    size = {"height": SIDE, "width": SIDE}
    eyes = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=SIDE, patch_size=PATCH,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=eyes,
        text_config=_language(len(tokens)),
        image_token_index=tokens.convert_tokens_to_ids(IMAGE),
        vision_feature_layer=-1,
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    pictures = CLIPImageProcessorPil(size=size, crop_size=size)
    LlavaProcessor(
        pictures, tokens, patch_size=PATCH, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=TEMPLATE,
    ).save_pretrained(folder)  # fmt: skip


def _tokenizer() -> Any:
    names = [*SPECIAL.values(), IMAGE, *WORDS]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(names)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens = PreTrainedTokenizerFast(
        tokenizer_object=made, **SPECIAL, extra_special_tokens={"image_token": IMAGE}
    )
    tokens.chat_template = TEMPLATE
    return tokens


def _language(words: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=words, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=256, eos_token_id=1, pad_token_id=2, bos_token_id=None,
    )  # fmt: skip
