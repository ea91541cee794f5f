"""The table of transitions: what DESIGN promises about a job's life holds for every pair."""

from itertools import product

import pytest

from shared.jobs import TERMINAL, TRANSITIONS, JobState, may_move

OPEN = frozenset(JobState) - TERMINAL


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(JobState)


@pytest.mark.parametrize(("source", "target"), list(product(sorted(TERMINAL), JobState)))
def test_an_end_is_final(source: JobState, target: JobState) -> None:
    assert source.terminal
    assert not may_move(source, target)


def test_only_a_running_job_ends_in_a_picture_or_a_block() -> None:
    for target in (JobState.SUCCEEDED, JobState.BLOCKED):
        assert {source for source in JobState if may_move(source, target)} == {JobState.RUNNING}


def test_every_open_job_can_be_cancelled_and_can_fail() -> None:
    for source in OPEN:
        assert may_move(source, JobState.CANCELLED)
        assert may_move(source, JobState.FAILED)


def test_the_rescuer_brings_back_what_was_sent_and_nothing_else() -> None:
    returning = {source for source in JobState if may_move(source, JobState.WAITING)}
    assert returning == {JobState.DISPATCHED, JobState.RUNNING}


def test_no_step_of_the_walk_can_be_skipped() -> None:
    assert not may_move(JobState.WAITING, JobState.RUNNING)
    assert {source for source in JobState if may_move(source, JobState.DISPATCHED)} == {
        JobState.WAITING
    }
    assert not any(may_move(state, state) for state in JobState)
