import random

import pytest

from farm.postcards.captions import describe, training_caption
from farm.postcards.vocabulary import EXAMPLES, known_words, unknown_words
from farm.postcards.world import COLOUR_NAMES, GROUNDS, SUBJECTS, TIMES, Scene, sample

BOAT = Scene("sailboat", "red", "sea", "sunset", extras=("birds",), birds=2)


def test_a_plain_caption_uses_only_known_words() -> None:
    rng = random.Random(1)
    for _ in range(500):
        assert unknown_words(describe(sample(rng), rng)) == ()


def test_a_plain_caption_names_every_attribute() -> None:
    rng = random.Random(2)
    for _ in range(50):
        caption = describe(BOAT, rng)
        assert any(word in caption for word in ("red", "crimson", "scarlet"))
        assert any(word in caption for word in ("boat", "ship", "yacht"))
        assert any(word in caption for word in ("sea", "ocean", "water"))
        assert any(word in caption for word in ("sunset", "dusk", "evening"))
        assert "birds" in caption


def test_training_captions_leave_things_out_and_add_unknown_words() -> None:
    rng = random.Random(3)
    captions = [training_caption(BOAT, rng) for _ in range(400)]
    assert any("red" not in c and "crimson" not in c and "scarlet" not in c for c in captions)
    assert any(unknown_words(caption) for caption in captions)
    assert all(caption == caption.strip(" ,") and caption for caption in captions)


def test_the_same_chance_writes_the_same_caption() -> None:
    assert training_caption(BOAT, random.Random(7)) == training_caption(BOAT, random.Random(7))


@pytest.mark.parametrize("word", [*SUBJECTS, *COLOUR_NAMES, *GROUNDS, *TIMES])
def test_the_name_of_every_attribute_is_known(word: str) -> None:
    assert word in known_words()


def test_unknown_words_come_once_in_order_and_in_lowercase() -> None:
    text = "A Dragon over the red castle, DRAGON café at sunset; zeppelin"
    assert unknown_words(text) == ("dragon", "café", "zeppelin")


@pytest.mark.parametrize("text", ["", "   ", "a the and of, in!", "1 2 3"])
def test_glue_is_never_unknown(text: str) -> None:
    assert unknown_words(text) == ()


def test_the_examples_are_understood_whole() -> None:
    assert len(set(EXAMPLES)) == 12
    for example in EXAMPLES:
        assert unknown_words(example) == ()
