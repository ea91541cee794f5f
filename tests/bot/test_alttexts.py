from bot.alttexts import grid_text, picture_text, preview_text
from bot.cards import ALTERNATIVE_LIMIT
from shared.jobs import JobKind
from shared.spec import WeightedText
from tests.bot.making import PARENT_ID, make_job, make_spec


def test_a_grid_says_what_is_where() -> None:
    assert grid_text(make_job()) == (
        "Four pictures of: a red sailboat. 1 and 2 above, 3 and 4 below."
    )
    two = make_job(spec=make_spec(images=2), kind=JobKind.ZOOM)
    assert grid_text(two) == (
        "Two pictures (Zoom Out) of: a red sailboat. 1 on the left, 2 on the right."
    )


def test_one_picture_says_which_it_is() -> None:
    job = make_job(kind=JobKind.UPSCALE, parent_id=PARENT_ID, parent_index=2)
    assert picture_text(job) == "One picture of: a red sailboat. Number 3 of its grid."
    assert preview_text(job) == "An unfinished picture of: a red sailboat."


def test_only_what_is_to_be_seen_is_said_and_in_one_line() -> None:
    texts = (WeightedText("a boat\n# big\u202e"), WeightedText("people", -0.5), WeightedText(" "))
    assert preview_text(make_job(spec=make_spec(texts=texts))) == (
        "An unfinished picture of: a boat # big."
    )
    silent = make_job(spec=make_spec(texts=(WeightedText(""),)), kind=JobKind.BLEND)
    assert grid_text(silent) == "Four pictures (Blend). 1 and 2 above, 3 and 4 below."


def test_long_words_give_way_to_the_places() -> None:
    long = grid_text(make_job(spec=make_spec(texts=(WeightedText("boat " * 900),))))
    assert len(long) == ALTERNATIVE_LIMIT
    assert long.endswith("…. 1 and 2 above, 3 and 4 below.")
