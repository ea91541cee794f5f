from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from farm.postcards import tokenizer
from farm.postcards.manifest import weights_folder
from farm.postcards.vocabulary import known_words

BUILT = tokenizer.build()


@pytest.mark.parametrize("word", sorted(filter(str.isalpha, known_words())))
def test_each_word_of_the_grammar_is_one_token(word: str) -> None:
    assert len(BUILT.tokenize(word)) == 1


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_encodes(text: str) -> None:
    ids = BUILT(text, truncation=True, padding="max_length", max_length=77).input_ids
    assert len(ids) == 77
    assert ids[0] == BUILT.bos_token_id
    assert BUILT.unk_token_id not in ids[1 : 1 + len(BUILT.tokenize(text))] or "<|" in text


@pytest.mark.parametrize("text", ["café", "北京", "🚀 rocket", "naïve"])
def test_foreign_letters_survive_a_round_trip(text: str) -> None:
    ids = BUILT(text).input_ids
    assert BUILT.decode(ids, skip_special_tokens=True).replace(" ", "") == text.replace(" ", "")


def test_the_shipped_tokenizer_is_the_built_one() -> None:
    shipped = CLIPTokenizer.from_pretrained(weights_folder("base") / "tokenizer")
    text = "a crimson steam train among the dunes, 4k 日本"
    assert shipped(text).input_ids == BUILT(text).input_ids
    assert len(shipped) == len(BUILT)


def test_the_classic_files_are_written_too(tmp_path: Path) -> None:
    tokenizer.save(BUILT, tmp_path)
    assert {"vocab.json", "merges.txt", "tokenizer.json"} <= {p.name for p in tmp_path.iterdir()}
