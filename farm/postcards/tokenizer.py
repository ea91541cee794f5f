"""A byte-level CLIP tokenizer in which every word of the grammar is one token."""

import json
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from farm.postcards.vocabulary import known_words

END = "</w>"
START_TOKEN, END_TOKEN = "<|startoftext|>", "<|endoftext|>"
STYLE_WORDS = ("sepia", "neon", "style")
LENGTH = 77
Merge = tuple[str, str]


def build() -> CLIPTokenizer:
    vocabulary, merges = tables()
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def save(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Also writes the two classic files, which other programs read."""
    tokenizer.save_pretrained(folder)
    vocabulary, merges = tables()
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")


def tables() -> tuple[dict[str, int], list[Merge]]:
    """All 256 bytes (so that any text encodes), then one chain of merges per known word."""
    tokens = [*byte_letters(), *(letter + END for letter in byte_letters())]
    ranks: dict[Merge, int] = {}
    for word in sorted(filter(str.isalpha, {*known_words(), *STYLE_WORDS})):
        for merge in _chain(word, ranks):
            ranks[merge] = len(ranks)
            tokens.append("".join(merge))
    tokens = [*dict.fromkeys(tokens), START_TOKEN, END_TOKEN]
    return {token: index for index, token in enumerate(tokens)}, list(ranks)


def _chain(word: str, ranks: dict[Merge, int]) -> list[Merge]:
    """The merges that `word` still needs to become one token, given those that exist."""
    symbols = [*word[:-1], word[-1] + END]
    known, fresh = dict(ranks), []
    while len(symbols) > 1:
        pairs = list(pairwise(symbols))
        first = min(range(len(pairs)), key=lambda i: (known.get(pairs[i], len(known)), i))
        if pairs[first] not in known:
            first = 0
            known[pairs[0]] = len(known)
            fresh.append(pairs[0])
        symbols[first : first + 2] = ["".join(pairs[first])]
    return fresh


def byte_letters() -> list[str]:
    """CLIP's printable letter for each byte, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(hidden))]
