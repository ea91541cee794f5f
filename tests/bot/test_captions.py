"""The line over the pictures, as people know it from Midjourney."""

import pytest

from bot.captions import headline, status_of
from bot.news import News
from shared.events import EventKind, JobEvent
from shared.jobs import JobKind, JobState, Visibility
from shared.plans import Speed
from tests.bot.making import JOB_ID, PARENT_ID, make_job

DEEDS = [
    (JobKind.IMAGINE, "", "<@42>"),
    (JobKind.IMAGINE, "remix", "Remix by <@42>"),
    (JobKind.UPSCALE, "", "Image #2 <@42>"),
    (JobKind.UPSCALE, "subtle", "Upscaled (Subtle) by <@42>"),
    (JobKind.UPSCALE, "creative", "Upscaled (Creative) by <@42>"),
    (JobKind.VARY, "", "Variations by <@42>"),
    (JobKind.VARY, "strong", "Variations (Strong) by <@42>"),
    (JobKind.VARY, "remix subtle", "Remix (Subtle) by <@42>"),
    (JobKind.VARY, "remix", "Remix (Variations) by <@42>"),
    (JobKind.REGION, "", "Variations (Region) by <@42>"),
    (JobKind.REGION, "remix", "Variations (Region) by <@42>"),
    (JobKind.ZOOM, "1.5x", "Zoom Out by <@42>"),
    (JobKind.PAN, "left", "Pan Left by <@42>"),
    (JobKind.PAN, "remix down", "Remix (Pan Down) by <@42>"),
    (JobKind.SQUARE, "", "Make Square by <@42>"),
    (JobKind.BLEND, "", "Blend by <@42>"),
]


@pytest.mark.parametrize(("kind", "manner", "said"), DEEDS)
def test_what_was_done_and_by_whom(kind: JobKind, manner: str, said: str) -> None:
    job = make_job(kind=kind, manner=manner, parent_id=PARENT_ID, parent_index=1)
    assert headline(job, "42", "(fast)") == f"**a red sailboat --seed 7** - {said} (fast)"


def test_how_it_stands() -> None:
    half = News().heard(JobEvent(JOB_ID, EventKind.PROGRESS, step=31, steps=100))
    assert status_of(make_job(), News()) == "(Waiting to start)"
    assert status_of(make_job(JobState.DISPATCHED), News()) == "(Starting) (fast)"
    assert status_of(make_job(JobState.RUNNING), half) == "(31%) (fast)"
    assert status_of(make_job(JobState.FAILED), News()) == "(Failed)"
    hidden = make_job(
        JobState.SUCCEEDED, speed=Speed.RELAX, visibility=Visibility.STEALTH, charged_ms=0
    )
    assert status_of(hidden, News()) == "(relaxed, stealth)"
