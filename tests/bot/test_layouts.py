"""Cards as Discord is sent them."""

from dataclasses import replace
from typing import Any

from bot.cards import LAYOUT_LIMIT, Card, Colour, Panel
from bot.layouts import layout_of
from bot.letters import edited_fields, shown_fields
from bot.parcels import Parcel, without_picture
from shared.jobs import JobKind, JobState
from tests.bot.making import PAINTER, PARENT_ID, Shown, make_job, make_spec
from tests.reading import gallery_of, text_of

GRID = (Shown("grid", 0, "grid.webp"), Shown("image", 0, "0.png"))


def as_message(card: Card) -> dict[str, Any]:
    view: Any = layout_of(card)
    return {"content": "", "embeds": [], "components": view.to_components()}


def test_a_picture_says_what_it_shows_and_is_covered_where_that_is_asked_for() -> None:
    job = make_job(JobState.SUCCEEDED)
    for covered in (False, True):
        card = PAINTER.paint(job, "42", pictures=GRID, spoiler=covered)
        [item] = gallery_of(as_message(card))
        assert item["description"].startswith("Four pictures of: a red sailboat.")
        assert item["spoiler"] is covered
        assert item["media"]["url"] == "https://cdn.example/grid.webp"


def test_text_gives_way_so_that_title_and_footer_stay() -> None:
    panel = Panel("x" * 9_000, Colour.DONE, title="A title", footer="a footer")
    card = Card("y" * 2_000, panel)
    assert layout_of(card).content_length() == LAYOUT_LIMIT
    said = text_of(as_message(card))
    assert "### A title" in said
    assert said.endswith("…\n-# a footer")


def test_the_widest_of_all_cards_fits() -> None:
    wide = make_spec(images=1, width=64, height=48, steps=0)
    job = make_job(
        JobState.SUCCEEDED, kind=JobKind.UPSCALE, spec=wide, parent_id=PARENT_ID, parent_index=1
    )
    card = PAINTER.paint(job, "42", pictures=GRID)
    assert [knob.label for knob in card.rows[2]][-1] == "Make Square"
    assert layout_of(card).total_children_count <= 40


def test_a_message_from_before_layouts_gives_up_its_text_and_embed() -> None:
    card = PAINTER.paint(make_job(JobState.SUCCEEDED), "42", pictures=GRID)
    fields = Parcel(card, "1").to_edit()
    assert (fields["content"], fields["embed"], fields["attachments"]) == (None, None, [])
    assert "content" not in Parcel(card, "1").to_send()


def test_a_picture_that_travels_says_the_same() -> None:
    card = replace(PAINTER, linked=False).paint(make_job(JobState.SUCCEEDED), "42", pictures=GRID)
    [file] = Parcel(card, "1", b"picture").to_send()["files"]
    assert card.panel
    assert file.description == card.panel.says
    assert (file.filename, card.panel.image) == ("picture.webp", "attachment://picture.webp")
    assert gallery_of(as_message(without_picture(card))) == []


def test_a_private_answer_is_an_embed_until_it_was_a_layout() -> None:
    short = Card(panel=Panel("hello", Colour.DONE))
    assert "embed" in shown_fields(short)
    assert edited_fields(short, laid_out=False)["embed"] is not None
    assert edited_fields(short, laid_out=True)["embed"] is None
    tall = Card(panel=Panel("hello", Colour.DONE, image="https://x.example/1.png", says="a boat"))
    assert set(shown_fields(tall)) == {"view"}
