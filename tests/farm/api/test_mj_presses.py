"""Buttons of the proxy's dialect, as its clients write and read them."""

from dataclasses import replace
from uuid import UUID

import pytest

from farm.api.mj import presses
from shared.errors import Refusal
from shared.jobs import JobKind
from tests.bot.making import make_job

JOB = UUID("0197f3a2-6a1b-7c44-9d3e-1f2a3b4c5d6e")
ASKED = [
    ("MJ::JOB::upsample::2::{job}", ("upscale", "", 0.0, 1)),
    ("MJ::JOB::variation::4::{job}", ("vary", "", 0.0, 3)),
    ("MJ::JOB::reroll::0::{job}::SOLO", ("reroll", "", 0.0, 0)),
    ("MJ::JOB::low_variation::1::{job}::SOLO", ("vary", "subtle", 0.0, 0)),
    ("MJ::JOB::high_variation::1::{job}::SOLO", ("vary", "strong", 0.0, 0)),
    ("MJ::JOB::upsample_v6_2x_subtle::1::{job}::SOLO", ("upscale", "subtle", 0.0, 0)),
    ("MJ::JOB::upsample_v6_2x_creative::1::{job}::SOLO", ("upscale", "creative", 0.0, 0)),
    ("MJ::Outpaint::50::1::{job}::SOLO", ("zoom", "", 2.0, 0)),
    ("MJ::Outpaint::75::1::{job}::SOLO", ("zoom", "", 1.5, 0)),
    ("MJ::Outpaint::100::1::{job}::SOLO", ("square", "", 0.0, 0)),
    ("MJ::CustomZoom::{job}", ("zoom", "", 0.0, 0)),
    ("MJ::CustomZoom::1::{job}", ("zoom", "", 0.0, 0)),
    ("MJ::Inpaint::1::{job}::SOLO", ("region", "", 0.0, 0)),
    ("MJ::JOB::pan_left::1::{job}::SOLO", ("pan", "left", 0.0, 0)),
    ("MJ::JOB::pan_down::1::{job}::SOLO", ("pan", "down", 0.0, 0)),
]


@pytest.mark.parametrize(("custom_id", "asked"), ASKED)
def test_a_button_says_what_it_asks_for(custom_id: str, asked: tuple[str, str, float, int]) -> None:
    press = presses.read_press(custom_id.format(job=JOB))
    wish = press.wish
    assert (wish.verb, wish.manner, wish.factor, press.index) == asked
    assert press.job_id == JOB
    assert presses.press_of(press.told()).told() == press.told()


@pytest.mark.parametrize(
    "custom_id",
    [
        "",
        "MJ::JOB::upsample::0::{job}",
        "MJ::JOB::upsample::{job}",
        "MJ::JOB::dance::1::{job}",
        "MJ::Outpaint::60::1::{job}::SOLO",
        "MJ::JOB::upsample::1::not-a-number",
        "MJ::JOB::upsample::1::{job}::SOLO::more",
        "pictor:1:upscale:{job}:0",
        "MJ::JOB::upsample::1::{job}\n",
    ],
)
def test_what_is_no_button_is_refused(custom_id: str) -> None:
    with pytest.raises(Refusal):
        presses.read_press(custom_id.format(job=JOB))


@pytest.mark.parametrize("kind", [JobKind.IMAGINE, JobKind.UPSCALE, JobKind.BLEND])
def test_every_button_that_is_shown_is_one_that_can_be_pressed(kind: JobKind) -> None:
    job = make_job(kind=kind, spec=replace(make_job().spec, width=96))
    buttons = presses.buttons_of(job)
    assert len({one.custom_id for one in buttons}) == len(buttons)
    assert all(presses.read_press(one.custom_id).job_id == job.id for one in buttons)
    assert all(one.label or one.emoji for one in buttons)


def test_a_grid_has_its_numbers_and_a_single_picture_its_verbs() -> None:
    labels = [one.label for one in presses.buttons_of(make_job())]
    assert labels == ["U1", "U2", "U3", "U4", "", "V1", "V2", "V3", "V4"]
    single = [one.label for one in presses.buttons_of(make_job(kind=JobKind.UPSCALE))]
    assert "Make Square" not in single
    assert "Custom Zoom" in single


@pytest.mark.parametrize(
    ("content", "read"),
    [
        ("1320098173412546 U2", ("1320098173412546", "UPSCALE", 2)),
        ("7 v4", ("7", "VARIATION", 4)),
        (" 7  R ", ("7", "REROLL", 0)),
    ],
)
def test_a_change_in_one_line(content: str, read: tuple[str, str, int]) -> None:
    assert presses.read_change(content) == read


@pytest.mark.parametrize("content", ["", "7", "7 U", "7 U0", "7 X1", "U1 7", "7 R1", "-7 U1"])
def test_a_line_that_is_no_change_is_refused(content: str) -> None:
    with pytest.raises(Refusal):
        presses.read_change(content)


def test_prompts_get_a_number_each() -> None:
    buttons = presses.buttons_for(["a boat", "a red boat"], "PicReader")
    assert [presses.read_proposal(one.custom_id) for one in buttons] == [0, 1]
    assert presses.numbered(["a boat", "a red boat"]) == "1️⃣ a boat\n\n2️⃣ a red boat"
