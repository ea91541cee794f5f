"""Which files are dead, and that what is dead stays so."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.litter import Origin, Standing, dead, origin
from shared.jobs import TERMINAL, TRANSITIONS, JobState

JOB = UUID("11111111-2222-4333-8444-555555555555")
FILE = f"{JOB}/2/00112233445566778899aabbccddeeff-grid.webp"
NOT_OURS = (
    "ping-0011aabb",
    "doctor/00112233.txt",
    f"{JOB}/2",
    f"{JOB}/two/x-grid.webp",
    f"{JOB}/2/more/x-grid.webp",
    f"other/{JOB}/2/x-grid.webp",
    "11111111-2222-4333-8444-55555555555/2/x.png",
)


def is_dead(standing: Standing, *, named: bool = False) -> bool:
    found = dead(
        {FILE: Origin(JOB, 2)}, standings={JOB: standing}, named={FILE} if named else set()
    )
    return found == [FILE]


def test_a_key_tells_its_job_and_attempt() -> None:
    assert origin(FILE) == Origin(JOB, 2)


@pytest.mark.parametrize("key", NOT_OURS)
def test_what_no_job_made_is_nobodys_to_delete(key: str) -> None:
    assert origin(key) is None


@pytest.mark.parametrize("state", list(JobState))
def test_a_named_file_is_never_dead(state: JobState) -> None:
    assert not any(is_dead(Standing(state, attempt), named=True) for attempt in (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("state", "over"),
    [
        (JobState.WAITING, True),
        (JobState.DISPATCHED, False),
        (JobState.RUNNING, False),
        *((state, True) for state in sorted(TERMINAL)),
    ],
)
def test_the_current_attempts_files_die_with_it(state: JobState, over: bool) -> None:
    assert is_dead(Standing(state, 2)) is over


@pytest.mark.parametrize("state", list(JobState))
def test_an_earlier_attempts_files_are_dead(state: JobState) -> None:
    assert is_dead(Standing(state, 3))


@pytest.mark.parametrize("state", list(JobState))
def test_a_later_attempt_than_the_database_knows_is_kept(state: JobState) -> None:
    """The database was restored from a backup: its jobs go on, and their files with them."""
    assert not is_dead(Standing(state, 1))


def test_an_unknown_jobs_files_are_kept() -> None:
    stranger = uuid4()
    assert dead({FILE: Origin(stranger, 2)}, standings={}, named=set()) == []


@given(st.data())
def test_no_walk_of_a_job_brings_a_dead_file_back(data: st.DataObject) -> None:
    """Whatever happens after a file was found dead, its attempt never runs again, so no commit of it
    can match the row: looking and deleting may be hours apart."""
    standing, was_dead = Standing(JobState.WAITING, 0), False
    for _ in range(30):
        was_dead = was_dead or (standing.attempt >= 2 and is_dead(standing))
        assert not (was_dead and standing == Standing(JobState.RUNNING, 2))
        targets = sorted(TRANSITIONS[standing.state])
        if not targets:
            return
        target = data.draw(st.sampled_from(targets))
        sent = target is JobState.DISPATCHED
        standing = Standing(target, standing.attempt + sent)
