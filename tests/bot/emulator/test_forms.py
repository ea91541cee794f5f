"""Modals: how they are opened, filled in and sent, with the real discord.py behind them."""

from typing import Any

import discord
import pytest

from bot.emulator import limits
from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.forms import filled, numbered
from bot.emulator.people import FINN, MONA, PAULA
from tests.bot.emulator.conftest import eventually
from tests.bot.emulator.robot import Robot
from tests.bot.emulator.test_limits import CALLBACK

REASON = "it was a harbour, and nothing else"


async def test_a_form_that_a_command_opens(local: LocalDiscord, robot: Robot) -> None:
    opened = await local.slash(FINN, "appeal")
    modal = (await local.wait_interaction(opened))["modal"]
    assert [part["type"] for part in modal["components"]] == [18, 18, 1]
    for values, why in (
        ({"reason": REASON}, "What is it about\\? is required"),
        ({"about": "words"}, "Why was it wrong\\? is required"),
        ({"about": "words", "reason": "short"}, "between 10 and 200"),
        ({"about": "words", "reason": "x" * 201}, "between 10 and 200"),
        ({"about": "money", "reason": REASON}, "no option 'money'"),
    ):
        with pytest.raises(Refused, match=why):
            await local.submit(FINN, opened, **values)
    with pytest.raises(Refused, match="no modal is open"):
        await local.submit(PAULA, opened, about="words", reason=REASON)
    await local.submit(FINN, opened, about="words", reason=REASON)
    await local.wait_message(lambda m: m["content"] == f"words: {REASON}", 5)
    assert robot.interactions[-1].message is None
    with pytest.raises(Refused, match="no modal is open"):
        await local.submit(FINN, opened, about="words", reason=REASON)
    assert await local.violations() == []


async def test_a_form_under_a_private_message_changes_it(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(MONA, "mod queue")
    message = await local.wait_message(lambda m: m["content"] == "one case", 5, user=MONA)
    opened = await local.click(MONA, message["id"], "appeal")
    await local.wait_interaction(opened)
    sent = await local.submit(MONA, opened, about="picture", reason=REASON)
    await local.wait_interaction(sent)
    changed = await local.message(message["id"])
    assert (changed["content"], changed["components"]) == (f"picture: {REASON}", [])
    assert robot.interactions[-1].message is not None
    assert robot.interactions[-1].message.flags.ephemeral
    assert await local.violations() == []


async def test_a_form_without_an_answer_may_be_sent_again(
    local: LocalDiscord, robot: Robot
) -> None:
    opened = await local.slash(FINN, "appeal")
    await local.wait_interaction(opened)
    sent = await local.submit(FINN, opened, about="words", reason=REASON, name="nobody")
    await eventually(lambda: len(robot.interactions) == 2)
    await local.advance(3.1)
    assert (await local.wait_interaction(sent))["state"] == "failed"
    await local.submit(FINN, opened, about="words", reason=REASON)
    await local.wait_message(lambda m: m["content"] == f"words: {REASON}", 5)


async def test_no_form_answers_a_form(local: LocalDiscord, robot: Robot) -> None:
    opened = await local.slash(FINN, "appeal")
    await local.wait_interaction(opened)
    await local.submit(FINN, opened, about="words", reason=REASON, name="again")
    await eventually(lambda: robot.failures)
    (error,) = robot.failures
    assert isinstance(error, discord.HTTPException)
    assert (error.status, error.code) == (400, 50035)
    (violation,) = await local.violations()
    assert violation["problems"] == ["type: Value must be one of {4, 5}. (BASE_TYPE_CHOICES)"]


def text(**more: Any) -> dict[str, Any]:
    return {"type": 4, "custom_id": "t", "style": 1, "label": "L"} | more


def label(component: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": 18, "label": "L", "component": component} | more


def modal(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    data = {"title": "T", "custom_id": "m", "components": list(parts)} | more
    return {"type": 9, "data": data}


def row(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(children)}


SELECT = {"type": 3, "custom_id": "s", "options": [{"label": "A", "value": "a"}]}


@pytest.mark.parametrize(
    "body",
    [
        modal(row(text())),
        modal(*(row(text(custom_id=str(n))) for n in range(5))),
        modal(label(text(label=None, style=2, min_length=0, max_length=4000))),
        modal(label(SELECT), {"type": 10, "content": "words"}),
        modal(label(SELECT | {"min_values": 0, "required": False})),
        modal(label({"type": 5, "custom_id": "u"}), label({"type": 19, "custom_id": "f"})),
    ],
)
def test_forms_that_discord_takes(body: dict[str, Any]) -> None:
    assert limits.check(*CALLBACK, body) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (modal(row(text()), title=""), "BASE_TYPE_BAD_LENGTH"),
        (modal(row(text()), title="t" * 46), "BASE_TYPE_BAD_LENGTH"),
        (modal(row(text()), custom_id=""), "COMPONENT_CUSTOM_ID_REQUIRED"),
        (modal(row(text()), custom_id="c" * 101), "BASE_TYPE_MAX_LENGTH"),
        (modal(*(row(text(custom_id=str(n))) for n in range(6))), "BASE_TYPE_BAD_LENGTH"),
        (modal(row(text(), text(custom_id="u"))), "BASE_TYPE_BAD_LENGTH"),
        (modal(row(text()), row(text())), "COMPONENT_CUSTOM_ID_DUPLICATED"),
        (modal(row(text(label=""))), "BASE_TYPE_BAD_LENGTH"),
        (modal(row(text(label="l" * 46))), "BASE_TYPE_BAD_LENGTH"),
        (modal(row(text(style=3))), "BASE_TYPE_CHOICES"),
        (modal(row(text(placeholder="p" * 101))), "BASE_TYPE_MAX_LENGTH"),
        (modal(row(text(max_length=4001))), "NUMBER_TYPE_MAX"),
        (modal(row(text(max_length=0))), "NUMBER_TYPE_MAX"),
        (modal(row(text(min_length=9, max_length=8))), "COMPONENT_MIN_MAX_INVALID"),
        (modal(row(text(value="12", max_length=1))), "BASE_TYPE_MAX_LENGTH"),
        (modal(row(SELECT)), "UNION_TYPE_CHOICES"),
        (modal(text()), "UNION_TYPE_CHOICES"),
        (modal(label({"type": 2, "custom_id": "b"})), "UNION_TYPE_CHOICES"),
        (modal(label(text())), "COMPONENT_LABEL_NOT_ALLOWED"),
        (modal(label(text(label=None), description="d" * 101)), "BASE_TYPE_MAX_LENGTH"),
        (modal(label(SELECT | {"min_values": 0})), "COMPONENT_REQUIRED_MIN_VALUES"),
        (modal(label(SELECT | {"disabled": True})), "COMPONENT_DISABLED_NOT_ALLOWED"),
        (modal({"type": 10, "content": "x"}), "MODAL_WITHOUT_INTERACTIVE_COMPONENTS"),
    ],
)
def test_forms_that_discord_refuses(body: dict[str, Any], code: str) -> None:
    assert code in {problem.code for problem in limits.check(*CALLBACK, body)}


def test_what_was_not_touched_keeps_its_default() -> None:
    options = [{"label": "A", "value": "a"}, {"label": "B", "value": "b", "default": True}]
    form = numbered(
        modal(row(text(value="as it was")), label(SELECT | {"options": options}))["data"]
    )
    components, chosen = filled(form, {})
    assert components[0]["components"][0]["value"] == "as it was"
    assert components[1]["component"]["values"] == ["b"]
    assert chosen == []
    ids = [components[0]["id"], components[0]["components"][0]["id"], components[1]["id"]]
    assert len(set(ids)) == 3


def test_people_and_files_are_chosen_by_id() -> None:
    parts = (label({"type": 5, "custom_id": "u"}), label({"type": 19, "custom_id": "f"}))
    _, chosen = filled(numbered(modal(*parts)["data"]), {"u": FINN.id, "f": ["9"]})
    assert chosen == [(6, FINN.id), (11, "9")]
