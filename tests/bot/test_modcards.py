"""What moderators read, and what they can press."""

from typing import Any
from uuid import UUID

import pytest

from bot import modcards
from bot.alertcards import alert_card
from bot.buttons import embed_of, read_press, view_of
from bot.cards import Action, Card, Form, custom_id
from bot.modals import modal_of
from bot.outcomes import lifted_card, upheld_card
from shared.errors import Refusal
from shared.moderation.cases import Case
from shared.oversight.alerts import ACTIONS, Alert, Counters
from tests.bot.casework import CASE_ID, make_case, reported
from tests.bot.making import JOB_ID, NOON


def labels(card: Card) -> list[str]:
    return [knob.label for row in card.rows for knob in row]


def text_of(card: Card) -> str:
    assert card.panel
    return f"{card.panel.title}\n{card.panel.text}\n{card.panel.footer}"


def test_a_refused_prompt_shows_why_and_hides_what_was_typed_behind_a_click() -> None:
    card = modcards.review_card(make_case(appeal="It is *salad*"), "Finn", strikes=2)
    told = text_of(card)
    for part in ("Refused prompt 3f2a91c0", "gore", "`lexicon:severed`", "0.91", "Finn", "2"):
        assert part in told
    assert "||a severed head of lettuce||" in told
    assert "||severed head||" in told
    assert r"“It is \*salad\*”" in told
    expected = ["Lift", "Lift with a note…", "Uphold", "Next", "Warn…", "Strike…", "Ban…"]
    assert labels(card) == expected


def test_a_spoiler_cannot_be_broken_open_by_what_was_typed() -> None:
    card = modcards.review_card(make_case(prompt="a || visible ||"), "Finn")
    assert r"||a \|\| visible \|\|||" in text_of(card)


def test_a_blurred_picture_can_be_revealed_and_a_report_approved() -> None:
    card = modcards.review_card(reported(), "Finn", picture=modcards.BLURRED)
    assert labels(card)[:3] == ["Reveal", "Approve", "Approve with a note…"]
    assert "The reporter says" in text_of(card)


@pytest.mark.parametrize("changes", [{"hard": True, "category": "minor"}, {"category": "known"}])
def test_what_nobody_may_see_has_no_reveal(changes: dict[str, Any]) -> None:
    card = modcards.review_card(reported(**changes), "Finn", picture=modcards.VEILED)
    assert "Reveal" not in labels(card)


def test_what_is_hard_cannot_be_lifted() -> None:
    card = modcards.review_card(make_case(hard=True, category="minor"), "Finn")
    assert labels(card)[:2] == ["Uphold", "Next"]


def test_a_decided_case_can_only_be_left() -> None:
    case = make_case(state="upheld", decided_at=NOON, decided_by="discord:1", note="No.")
    card = modcards.review_card(case, "Finn")
    assert labels(card) == ["Next"]
    assert "upheld" in text_of(card)


def test_the_queue_opens_each_case_and_shows_no_words_of_anybody() -> None:
    cases = [reported(id=UUID(int=number)) for number in range(12)]
    card = modcards.queue_card([make_case(hard=True), *cases], {"prompt": 1, "report": 12})
    knobs = [knob for row in card.rows for knob in row]
    assert [knob.label for knob in knobs] == [str(number) for number in range(1, 11)]
    press = read_press(knobs[0].target)
    assert press
    assert (press.action, press.subject) == (Action.REVIEW, CASE_ID)
    assert "Waiting: 1 prompt, 12 reports" in text_of(card)
    for words in ("lettuce", "frightens", "severed"):
        assert words not in text_of(card)


def test_an_empty_queue_says_so() -> None:
    card = modcards.queue_card([], {})
    assert "Nothing waits" in text_of(card)
    assert not card.rows


def test_the_picker_tells_kind_and_category_and_no_words() -> None:
    label = modcards.case_label(make_case())
    assert label == "3f2a91c0 · Refused prompt · gore · open"


STATES = ("noted", "open", "upheld", "lifted", "expired")


@pytest.mark.parametrize("kind", ["prompt", "picture", "report", "sample"])
@pytest.mark.parametrize("state", STATES)
async def test_every_case_fits_discord(kind: str, state: str) -> None:
    long = "`||_*" * 1_000
    case = make_case(kind=kind, state=state, prompt=long, words=long, appeal=long, note=long,
        category=long, rule=long, decided_at=NOON)  # fmt: skip
    card = modcards.review_card(case, long, picture=modcards.BLURRED)
    embed = embed_of(card)
    assert embed
    assert len(embed) <= 6_000
    assert len(embed.description or "") <= 4_096
    view = view_of(card)
    assert view
    assert all(len(row["components"]) <= 5 for row in view.to_components())


FORMS = [
    modcards.appeal_form(CASE_ID),
    modcards.report_form(JOB_ID),
    modcards.note_form(CASE_ID),
    *(modcards.discipline_form(action, CASE_ID) for action in (Action.WARN, Action.STRIKE, Action.BAN)),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.title)
def test_every_form_says_what_it_is_about(form: Form) -> None:
    modal = modal_of(form)
    assert read_press(modal.custom_id)
    assert len(modal.title) <= 45
    assert 1 <= len(modal.children) <= 5


@pytest.mark.parametrize(
    ("case", "refusal", "words"),
    [
        (make_case(state="lifted"), None, "is drawn"),
        (make_case(state="lifted"), Refusal("no_credit", "Too dear."), "Too dear."),
        (make_case(state="upheld"), None, "stays refused"),
        (reported(state="upheld"), None, "links are dead"),
        (reported(state="lifted"), None, "stays"),
        (make_case(kind="picture", state="lifted"), None, "lifted"),
    ],
)
def test_a_decision_tells_what_it_led_to(case: Case, refusal: Refusal | None, words: str) -> None:
    assert words in modcards.told_of(case, refusal, reached=None)
    assert "no direct messages" in modcards.told_of(case, refusal, reached=False)


def test_the_person_reads_the_outcome_and_the_note() -> None:
    lifted = lifted_card(make_case(state="lifted", note="Fine by me"), channel_id="5")
    assert lifted.panel
    assert "<#5>" in lifted.panel.text
    assert "Fine by me" in lifted.panel.text
    upheld = upheld_card(make_case(state="upheld"))
    assert upheld.panel
    assert "gore" in upheld.panel.text


def make_alert(action: str, number: int = 1, case_id: UUID = CASE_ID, **detail: Any) -> Alert:
    told = {"kind": "report", "category": "gore", "guild": "1", "reason": "a flood"} | detail
    subject = f"case:{case_id}" if "case" in action else f"account:{case_id}"
    return Alert(number, NOON, "discord:7", action, subject, told)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_alert_has_words_of_its_own(action: str) -> None:
    card = alert_card([make_alert(action)], Counters({}, 0, 0))
    assert card.panel
    assert action not in card.panel.text.replace("**", "").split()[:1]
    assert "<t:" in card.panel.text


def test_alerts_stand_in_one_message_with_counters_and_the_way_to_their_cases() -> None:
    alerts = [make_alert("case_opened", n, UUID(int=min(n, 15))) for n in range(20)]
    counters = Counters({"report": 3, "prompt": 2}, appeals=1, strikes=4)
    card = alert_card(alerts, counters)
    targets = [knob.target for knob in card.rows[0]]
    assert targets == [custom_id(Action.REVIEW, UUID(int=n)) for n in range(11, 16)]
    assert "wait: 5 (reports 3, appeals 1) · strikes in 24 hours: 4" in text_of(card)
