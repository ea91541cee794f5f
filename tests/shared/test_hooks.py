"""Webhooks, the pure part: events, secrets, and when what failed is tried again."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from pydantic import SecretStr

from shared.errors import Refusal
from shared.hooks import (
    BOTH_SIGN,
    COMPLETED,
    Answer,
    HookEvent,
    Patience,
    Signer,
    chosen,
    secret_of,
)

PEPPER, OTHER = SecretStr("one pepper of these tests alone!"), SecretStr("and another one, as long")
ONE, TWO = UUID(int=1), UUID(int=2)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY_S = 86_400.0
DAY = Patience(24)


def test_no_word_names_every_event() -> None:
    assert chosen([]) == tuple(HookEvent)


def test_words_of_other_services_name_ours_and_nothing_is_told_twice() -> None:
    assert chosen(["completed", "start", "job.succeeded"]) == (HookEvent.STARTED, *COMPLETED)
    assert chosen(["logs", "output"]) == (HookEvent.SUCCEEDED,)


@pytest.mark.parametrize(
    ("words", "code"), [(["job.eaten"], "unknown_event"), (["logs"], "no_events")]
)
def test_words_that_name_nothing_are_refused(words: list[str], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        chosen(words, field="webhook_events_filter")
    assert (caught.value.code, caught.value.field) == (code, "webhook_events_filter")


def test_every_secret_is_another_one() -> None:
    made = {
        secret_of(one, n, salt) for one in (ONE, TWO) for n in (0, 1) for salt in (PEPPER, OTHER)
    }
    assert len(made) == 8
    assert all(secret.startswith("whsec_") and len(secret) == 50 for secret in made)


def test_after_a_rotation_both_secrets_sign_for_a_day() -> None:
    old, new = secret_of(ONE, 0, PEPPER), secret_of(ONE, 1, PEPPER)
    turned = Signer(ONE, 1, NOW)
    assert Signer(ONE, 0, None).secrets(PEPPER, NOW) == [old]
    assert turned.secrets(PEPPER, NOW + BOTH_SIGN - timedelta(seconds=1)) == [new, old]
    assert turned.secrets(PEPPER, NOW + BOTH_SIGN) == [new]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_success_is_one(status: int) -> None:
    assert Answer(status).taken


@pytest.mark.parametrize(
    "answer", [Answer(301), Answer(404), Answer(500), Answer(error="no answer")]
)
def test_anything_else_is_none(answer: Answer) -> None:
    assert not answer.taken


def tries_of(chance: float) -> list[float]:
    """The ages at which a delivery that always fails is tried."""
    ages = [0.0]
    while (wait := DAY.pause_s(Answer(500), age_s=ages[-1], chance=chance)) is not None:
        ages.append(ages[-1] + wait)
    return ages


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_it_is_tried_for_a_day_ever_more_seldom_and_at_the_very_end_once_more(
    chance: float,
) -> None:
    ages = tries_of(chance)
    assert ages[-1] == pytest.approx(DAY_S)
    assert 18 <= len(ages) <= 40
    waits = [after - before for before, after in pairwise(ages)]
    assert 3.9 < waits[0] < 6.1
    assert max(waits) <= DAY.longest_s * 1.21
    assert waits[2] < waits[8]


def test_two_receivers_are_not_tried_at_the_same_moment() -> None:
    first, second = (DAY.pause_s(Answer(500), age_s=100, chance=c) for c in (0.1, 0.9))
    assert first != second


def test_who_says_when_is_heard_but_not_for_ever() -> None:
    def wait(seconds: float) -> float | None:
        return DAY.pause_s(Answer(503, None, seconds), age_s=0, chance=0.5)

    assert wait(60) == 60
    assert wait(1) == 5
    assert wait(10**9) == DAY.longest_s


@pytest.mark.parametrize("answer", [Answer(410), Answer(error="nothing", final=True)])
def test_what_is_final_is_not_tried_again(answer: Answer) -> None:
    assert DAY.pause_s(answer, age_s=0, chance=0.5) is None


def test_an_address_is_hopeless_after_five_days() -> None:
    assert not DAY.is_over(5 * DAY_S - 1)
    assert DAY.is_over(5 * DAY_S)
