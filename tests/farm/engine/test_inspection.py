import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from farm.engine.inspection import ImageFilter, Inspections
from farm.engine.messages import Finding, Picture
from shared.errors import Fault

RGB = bytes(12)
PICTURE = Picture(0, 2, 2, RGB, hashlib.sha256(RGB).hexdigest(), seed=1)


class Scripted:
    """Answers with what the function gives for the call."""

    def __init__(self, answer: Callable[[Sequence[Picture]], list[Finding]]) -> None:
        self.answer = answer
        self.strict: list[bool] = []

    def inspect(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Finding]:
        self.strict.append(strict)
        return self.answer(pictures)


def allowed(pictures: Sequence[Picture]) -> list[Finding]:
    return [Finding(one.sha256, "allow", "none", 0.0, "", "test") for one in pictures]


def leaving(pictures: Sequence[Picture]) -> list[Finding]:
    raise SystemExit(1)


def failing(pictures: Sequence[Picture]) -> list[Finding]:
    raise RuntimeError("no weights")


class Hall:
    """Asks, waits for the thread, and keeps what was handed over."""

    def __init__(self, open_filter: Callable[[str], ImageFilter]) -> None:
        self.woken = threading.Event()
        self.now = 0.0
        self.answers: list[list[Finding]] = []
        self.inspections = Inspections(
            open_filter, wake=self.woken.set, deadline_s=5, clock=lambda: self.now
        )

    def ask(self, *pictures: Picture) -> None:
        self.inspections.ask(
            "postcards", list(pictures), lambda found, _: self.answers.append(found)
        )

    def settle(self) -> None:
        assert self.woken.wait(10)
        self.inspections.collect()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL):
        yield


def test_a_filter_opened_beforehand_is_the_one_that_is_asked() -> None:
    opened: list[str] = []

    def open_filter(name: str) -> ImageFilter:
        opened.append(name)
        return Scripted(allowed)

    hall = Hall(open_filter)
    hall.inspections.open("postcards")
    assert opened == ["postcards"]
    hall.ask(PICTURE)
    hall.settle()
    assert opened == ["postcards"]
    assert [one.decision for one in hall.answers[0]] == ["allow"]


def test_a_filter_that_cannot_be_opened_beforehand_says_so() -> None:
    def closed(name: str) -> ImageFilter:
        raise Fault("weights_altered", f"The judge of {name} is gone.")

    with pytest.raises(Fault, match="judge of postcards"):
        Hall(closed).inspections.open("postcards")


def test_an_answer_is_handed_over_once() -> None:
    hall = Hall(lambda _: Scripted(allowed))
    hall.ask(PICTURE)
    hall.settle()
    hall.inspections.collect()
    assert [[one.decision for one in found] for found in hall.answers] == [["allow"]]
    assert not hall.inspections.pending


@pytest.mark.parametrize(
    "answer",
    [
        failing,
        leaving,
        lambda pictures: [],
        lambda pictures: allowed(pictures) * 2,
        lambda pictures: [Finding("0" * 64, "allow", "none", 0.0, "", "test")],
        lambda pictures: None,
    ],
)
@pytest.mark.usefixtures("quiet")
def test_whatever_is_not_a_plain_answer_is_a_no(
    answer: Callable[[Sequence[Picture]], list[Finding]],
) -> None:
    hall = Hall(lambda _: Scripted(answer))
    hall.ask(PICTURE)
    hall.settle()
    [[finding]] = hall.answers
    assert (finding.decision, finding.rule) == ("block", "filter_failed")


@pytest.mark.usefixtures("quiet")
def test_a_picture_whose_hash_is_not_of_its_pixels_is_a_no() -> None:
    hall = Hall(lambda _: Scripted(allowed))
    hall.ask(Picture(0, 2, 2, bytes(11) + b"x", PICTURE.sha256, seed=1))
    hall.settle()
    assert hall.answers[0][0].decision == "block"


@pytest.mark.usefixtures("quiet")
def test_a_filter_that_hangs_is_a_no_and_the_next_one_is_answered() -> None:
    hang, begun = threading.Event(), threading.Event()
    calls: list[int] = []

    def answer(pictures: Sequence[Picture]) -> list[Finding]:
        calls.append(1)
        if len(calls) == 1:
            begun.set()
            hang.wait(30)
        return allowed(pictures)

    hall = Hall(lambda _: Scripted(answer))
    hall.ask(PICTURE)
    hall.ask(PICTURE)
    assert begun.wait(10)
    hall.inspections.collect()
    assert hall.answers == []
    hall.now = 5.0
    hall.inspections.collect()
    assert [found[0].decision for found in hall.answers] == ["block"]
    hall.settle()
    assert [found[0].decision for found in hall.answers] == ["block", "allow"]
    hang.set()


def test_a_better_rank_is_inspected_first() -> None:
    begun, gate, seeds = threading.Event(), threading.Event(), list[int]()

    def answer(pictures: Sequence[Picture]) -> list[Finding]:
        seeds.extend(picture.seed for picture in pictures)
        begun.set()
        assert gate.wait(10)
        return allowed(pictures)

    hall = Hall(lambda _: Scripted(answer))
    for seed, rank in enumerate((2, 2, 0)):
        picture = Picture(0, 2, 2, RGB, PICTURE.sha256, seed=seed)
        hall.inspections.ask("postcards", [picture], lambda *_: None, rank=rank)
        assert begun.wait(10)
    gate.set()
    while hall.inspections.pending:
        hall.settle()
    assert seeds == [0, 2, 1]


def test_the_thread_ends_with_the_last_who_holds_the_inspections() -> None:
    before, woken = set(threading.enumerate()), threading.Event()
    inspections = Inspections(lambda _: Scripted(allowed), wake=woken.set)
    inspections.ask("postcards", [PICTURE], lambda *_: None)
    [thread] = set(threading.enumerate()) - before
    assert woken.wait(10)
    inspections.collect()
    del inspections
    thread.join(10)
    assert not thread.is_alive()
