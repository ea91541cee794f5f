from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bot.answers import fault_card, queue_card, refusal_card
from bot.buttons import TEMPLATE, read_press
from bot.captions import headline
from bot.cards import CONTENT_LIMIT, LAYOUT_LIMIT, PANEL_LIMIT, Action, Card, Look, custom_id
from bot.layouts import layout_of
from bot.messages import News, duration, gpu_time, quote
from shared.config import SHARED
from shared.errors import Fault, Refusal
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobKind, JobState
from shared.orders import Prospects
from shared.plans import Speed, read_plans
from shared.waits import Outlook
from tests.bot.making import JOB_ID, NOON, PAINTER, PARENT_ID, Shown, make_job, make_spec

PLAN = read_plans(SHARED / "plans.toml").plan("free")
GRID = (Shown("grid", 0, "grid.webp"), *(Shown("image", i, f"{i}.png") for i in range(4)))
HALF = JobEvent(JOB_ID, EventKind.PROGRESS, step=5, steps=12, steps_per_s=9.84, eta_s=0.7)


def text_of(card: Card) -> str:
    return card.panel.text if card.panel else ""


def labels(card: Card) -> list[list[str]]:
    return [[knob.label or knob.emoji for knob in row] for row in card.rows]


def test_a_waiting_job_says_so_and_can_be_cancelled() -> None:
    card = PAINTER.paint(make_job(), "42")
    assert card.content == "**a red sailboat --seed 7** - <@42> (Waiting to start)"
    assert labels(card) == [["Cancel"]]
    assert not card.final


def test_position_eta_and_reason_are_told() -> None:
    event = JobEvent(JOB_ID, EventKind.WAITING, position=3, eta_s=150, reason="Two of yours run.")
    card = PAINTER.paint(make_job(), "42", news=News().heard(event))
    assert text_of(card) == "Position 3 · about 2 min\nTwo of yours run."
    event = structs.replace(event, eta_low_s=118, eta_high_s=251)
    card = PAINTER.paint(make_job(), "42", news=News().heard(event))
    assert text_of(card) == "Position 3 · about 2 to 4 min\nTwo of yours run."


def test_a_job_whose_gpu_died_says_that_it_goes_on() -> None:
    assert "keeps its place" in text_of(PAINTER.paint(make_job(attempt=2), "42"))


def test_progress_shows_percent_bar_speed_eta_and_preview() -> None:
    news = News().heard(HALF).heard(JobEvent(JOB_ID, EventKind.PREVIEW, key="p.webp"))
    card = PAINTER.paint(make_job(JobState.RUNNING), "42", news=news)
    assert card.content.endswith("(42%) (fast)")
    assert text_of(card) == "`━━━━━━╌╌╌╌╌╌╌╌` step 5 of 12 · 9.8 it/s · about 1 s left"
    assert card.panel
    assert card.panel.image == "https://cdn.example/p.webp"


def test_a_job_that_gives_way_to_a_faster_one_says_so() -> None:
    reason = "paused for a faster job"
    paused = JobEvent(JOB_ID, EventKind.PROGRESS, step=5, steps=12, reason=reason)
    card = PAINTER.paint(make_job(JobState.RUNNING), "42", news=News().heard(HALF).heard(paused))
    assert text_of(card) == f"`━━━━━━╌╌╌╌╌╌╌╌` step 5 of 12 · {reason}"


def test_the_latest_progress_wins() -> None:
    after_a_restart = JobEvent(JOB_ID, EventKind.PROGRESS, step=3, steps=12)
    assert News().heard(HALF).heard(after_a_restart).fraction == 0.25


def test_running_without_news_starts_at_zero() -> None:
    card = PAINTER.paint(make_job(JobState.RUNNING), "42")
    assert "(0%)" in card.content
    assert "warming up" in text_of(card)


def test_the_grid_has_time_cost_seed_model_picture_and_every_button() -> None:
    card = PAINTER.paint(make_job(JobState.SUCCEEDED), "42", pictures=GRID)
    assert card.final
    assert card.content == "**a red sailboat --seed 7** - <@42> (fast)"
    assert text_of(card) == "4.2 s · 1.9 GPU-seconds · seed 7 · Postcards"
    assert labels(card) == [["U1", "U2", "U3", "U4", "🔄"], ["V1", "V2", "V3", "V4", "Open"]]
    assert card.panel
    assert card.panel.image == "https://cdn.example/grid.webp"


def test_buttons_say_which_job_and_which_picture() -> None:
    card = PAINTER.paint(make_job(JobState.SUCCEEDED), "42", pictures=GRID)
    press = read_press(card.rows[0][2].target)
    assert press
    assert (press.action, press.subject, press.index) == (Action.UPSCALE, JOB_ID, 2)


def test_one_picture_links_to_its_full_size_and_varies_from_its_grid() -> None:
    spec = make_spec(images=1, steps=0)
    job = make_job(
        JobState.SUCCEEDED, kind=JobKind.UPSCALE, spec=spec, parent_id=PARENT_ID, parent_index=1
    )
    card = PAINTER.paint(job, "42", pictures=(Shown("grid", 0, "g"), Shown("image", 0, "full.png")))
    assert "- Image #2 <@42> (fast)" in card.content
    assert labels(card) == [
        ["Upscale (Subtle)", "Upscale (Creative)"],
        ["Vary (Subtle)", "Vary (Strong)", "Vary (Region)"],
        ["Zoom Out 2x", "Zoom Out 1.5x", "Custom Zoom"],
        ["⬅️", "➡️", "⬆️", "⬇️", "❤️"],
        ["Open full picture"],
    ]
    assert card.rows[1][0].target == custom_id(Action.SUBTLE, PARENT_ID, 1)
    assert card.rows[3][4].target == custom_id(Action.FAVOURITE, JOB_ID)
    assert card.rows[4][0].target == "https://cdn.example/full.png"
    assert card.rows[4][0].look is Look.LINK


def test_a_relaxed_job_costs_nothing() -> None:
    job = make_job(JobState.SUCCEEDED, speed=Speed.RELAX, charged_ms=0)
    assert "no charge (relax)" in text_of(PAINTER.paint(job, "42", pictures=GRID))


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (JobState.FAILED, "(Failed)"),
        (JobState.BLOCKED, "(Blocked)"),
        (JobState.CANCELLED, "(Cancelled)"),
    ],
)
def test_a_bad_end_gives_the_reason_and_the_money_back(state: JobState, word: str) -> None:
    card = PAINTER.paint(make_job(state, error_sentence="The GPU was lost."), "42")
    assert card.final
    assert word in card.content
    assert text_of(card) == "The GPU was lost. You were not charged."
    assert card.rows == ()


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("state", JobState)
async def test_every_state_fits_discord(kind: JobKind, state: JobState) -> None:
    prompt = "*_<@1>" * 400
    job = make_job(state, kind=kind, prompt=prompt, error_sentence="x" * 1000)
    card = PAINTER.paint(job, "9" * 20, news=News().heard(HALF), pictures=GRID)
    assert 0 < len(card.content) <= CONTENT_LIMIT
    assert f"<@{'9' * 20}>" in card.content
    view = layout_of(card)
    assert view.content_length() <= LAYOUT_LIMIT
    assert view.total_children_count <= 40
    assert all(len(row) <= 5 for row in card.rows)
    ids = [k.target for row in card.rows for k in row if k.look is not Look.LINK]
    assert len(set(ids)) == len(ids)
    assert all(TEMPLATE.fullmatch(target) for target in ids)


@given(st.text(max_size=3000), st.integers(10, 300))
def test_a_quote_fits_and_no_sign_of_it_works(prompt: str, room: int) -> None:
    quoted = quote(prompt, room)
    assert 0 < len(quoted) <= room
    bare = quoted.replace("\\\\", "")
    assert not bare.endswith("\\")
    for sign in "*_~`|<>[]":
        assert bare.count(sign) == bare.count(f"\\{sign}")
    assert "\n" not in quoted


def test_a_prompt_cannot_mention_link_or_leave_its_line() -> None:
    quoted = quote("hi <@1> @everyone\n# big https://x.y `code`\u202egnp", 500)
    assert quoted == r"hi \<@1\> @everyone # big https\://x.y \`code\` gnp"


def test_a_long_prompt_gives_way_to_the_rest() -> None:
    line = headline(make_job(prompt="boat " * 1000), "42", "(31%) (fast)")
    assert len(line) <= CONTENT_LIMIT
    assert line.endswith("…** - <@42> (31%) (fast)")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (4.23, "4.2 s"), (59.9, "59.9 s"), (72, "1 min 12 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [(1900, "1.9 GPU-seconds"), (900_000, "15.0 GPU-minutes"), (54_000_000, "15.0 GPU-hours")],
)
def test_gpu_times(ms: int, said: str) -> None:
    assert gpu_time(ms) == said


def test_a_refusal_is_titled_and_free() -> None:
    card = refusal_card(Refusal("no_credit", "It costs 3 GPU-seconds, you have 1. Try --relax."))
    assert card.panel
    assert card.panel.title == "Not enough GPU time left"
    assert card.panel.footer == "Nothing was charged."


def test_a_fault_tells_its_sentence_and_an_unknown_error_tells_nothing() -> None:
    known = fault_card(Fault("database_down", "Our books are shut.", retryable=True), "ab12")
    assert text_of(known) == "Our books are shut."
    unknown = fault_card(ValueError("password=hunter2"), "ab12")
    assert "hunter2" not in text_of(unknown)
    assert unknown.panel
    assert unknown.panel.footer == "You were not charged. Incident ab12"


def queue_of(*jobs: Job, outlooks: Mapping[UUID, Outlook] | None = None) -> Card:
    ahead = Prospects(jobs, PLAN, outlooks)
    news = News().heard(HALF)
    knows = {JOB_ID: news}
    return queue_card(ahead, NOON + timedelta(seconds=90.4), news=lambda id: knows.get(id, News()))


def foreseen(job: Job, reason: str) -> Outlook:
    return Outlook(job.id, 3, start_s=90, eta_s=170, eta_low_s=118, eta_high_s=251, reason=reason)


def test_the_queue_tells_place_range_and_reason_step_and_caps() -> None:
    waits, starts = make_job(id=UUID(int=2)), make_job(JobState.DISPATCHED, id=UUID(int=3))
    draws, unheard = make_job(JobState.RUNNING), make_job(JobState.RUNNING, id=UUID(int=4))
    fresh = make_job(id=UUID(int=5))
    told = {waits.id: foreseen(waits, "your own cap of 2 running jobs")}
    card = queue_of(fresh, draws, unheard, starts, waits, outlooks=told)
    first, *lines = text_of(card).split("\n\n")
    boat = "**a red sailboat --seed 7**\n"
    assert first == f"{boat}drawing, 42% (fast) · step 5 of 12 · 9.8 it/s · about 1 s left"
    assert lines == [
        f"{boat}drawing (fast)",
        f"{boat}starting (fast) · for 1 min 30 s",
        f"{boat}waiting (fast) · Position 3 · about 2 to 4 min · your own cap of 2 running jobs",
        f"{boat}waiting (fast) · for 1 min 30 s",
    ]
    assert card.panel
    assert card.panel.footer == "3 of 2 running, 2 of 4 waiting. Stop one with /cancel."


def test_who_stands_too_far_back_for_the_board_is_told_by_its_message() -> None:
    event = JobEvent(JOB_ID, EventKind.WAITING, position=5000, reason="behind 4,999 jobs")
    for outlooks, said in (({}, True), (None, False)):
        ahead = Prospects((make_job(),), PLAN, outlooks)
        card = queue_card(ahead, NOON, news=lambda _: News().heard(event))
        assert ("Position 5000 · behind 4,999 jobs" in text_of(card)) is said


def test_the_queue_says_when_nobody_can_say() -> None:
    assert text_of(queue_of(make_job())).endswith("nobody can say at the moment.")
    assert "nobody" not in text_of(queue_of(make_job(), outlooks={}))
    assert "nobody" not in text_of(queue_of(make_job(JobState.RUNNING)))


def test_the_queue_is_cut_to_fit_and_says_when_there_is_none() -> None:
    jobs = [make_job(prompt="*" * 900, id=UUID(int=number)) for number in range(1, 22)]
    told = {job.id: foreseen(job, "x" * 150) for job in jobs}
    card = queue_of(*jobs, outlooks=told)
    *entries, more = text_of(card).split("\n\n")
    assert more == f"and {21 - len(entries)} more"
    assert entries[-1].endswith("x" * 150)
    assert PANEL_LIMIT - 500 < len(text_of(card)) <= PANEL_LIMIT
    assert text_of(queue_of(*(make_job(prompt="a") for _ in range(21)))).count("waiting") == 15
    assert "Nothing of yours" in text_of(queue_of())


@pytest.mark.parametrize(
    "forged", ["pictor:1:upscale:zz:0", "pictor:2:vary:" + "0" * 32 + ":0", "x"]
)
def test_a_forged_custom_id_is_no_press(forged: str) -> None:
    assert read_press(forged) is None
