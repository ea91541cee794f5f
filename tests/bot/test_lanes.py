"""Who is edited next. Pure."""

from dataclasses import replace
from datetime import timedelta

from bot.delivery import Delivery
from bot.lanes import AT_ONCE, SPACING, Lanes
from shared.jobs import JobState, Route
from tests.bot.making import make_job
from tests.bot.test_ways import ROUTE, T0

OLD = replace(ROUTE, token=None)


def delivery(state: JobState = JobState.RUNNING, route: Route = OLD) -> Delivery:
    return Delivery(make_job(state), route, T0)


def test_progress_in_one_channel_goes_in_single_file_and_ends_wait_for_nothing() -> None:
    lanes, running = Lanes(), [delivery() for _ in range(3)]
    elsewhere = delivery(route=replace(OLD, channel_id="9"))
    assert lanes.pick([*running, elsewhere], T0) == [running[0], elsewhere]
    soon = T0 + SPACING / 2
    ended = [delivery(JobState.SUCCEEDED) for _ in range(2)]
    assert lanes.pick([*running, *ended], soon) == ended
    assert lanes.pick(running, T0 + SPACING, busy={OLD.channel_id}) == []
    assert len(lanes.pick(running, T0 + SPACING)) == 1


def test_messages_that_a_token_edits_have_lanes_of_their_own() -> None:
    assert len(Lanes().pick([delivery(route=ROUTE) for _ in range(9)], T0)) == AT_ONCE


def test_what_is_not_due_waits() -> None:
    tired = delivery(JobState.SUCCEEDED)
    tired.tries, tired.due = 1, T0 + timedelta(seconds=1)
    muted = delivery()
    muted.muted = True
    assert Lanes().pick([tired, muted], T0) == []
    assert Lanes().pick([tired, muted], tired.due) == [tired]
