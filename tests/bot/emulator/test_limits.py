"""Rules that Discord's description does not state."""

from typing import Any

import pytest

from bot.emulator import limits
from bot.emulator.commandrules import count_characters
from bot.emulator.optionrules import is_name
from bot.emulator.postings import COMPONENTS_V2

CREATE = ("POST", "/channels/{channel_id}/messages")
EDIT = ("PATCH", "/channels/{channel_id}/messages/{message_id}")
CALLBACK = ("POST", "/interactions/{interaction_id}/{interaction_token}/callback")
COMMANDS = ("PUT", "/applications/{application_id}/commands")


def button(custom_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": custom_id} | more


def row(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(children)}


def select(**more: Any) -> dict[str, Any]:
    return {
        "type": 3,
        "custom_id": "s",
        "options": [{"label": "A", "value": "a"}],
    } | more


def codes(rule: tuple[str, str], body: Any) -> set[str]:
    return {problem.code for problem in limits.check(*rule, body)}


@pytest.mark.parametrize(
    "body",
    [
        {"content": "x" * 2000, "nonce": "n" * 25, "enforce_nonce": True, "tts": False},
        {"components": [row(*(button(f"{n}{m}") for n in range(5))) for m in range(5)]},
        {"components": [row(select())]},
        {"embeds": [{"title": "t" * 256, "description": "d" * 4096}]},
        {"components": [row(button(label=None, emoji={"name": "🔄"}))]},
        {"components": [row({"type": 2, "style": 5, "label": "Web", "url": "https://a.b"})]},
        {"flags": COMPONENTS_V2, "components": [{"type": 10, "content": "words"}]},
        {"allowed_mentions": {"parse": [], "users": ["1"]}},
    ],
)
def test_what_discord_takes(body: dict[str, Any]) -> None:
    assert limits.check(*CREATE, body) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": "x" * 2001}, "BASE_TYPE_MAX_LENGTH"),
        ({"content": "x", "colour": 3}, "UNKNOWN_FIELD"),
        ({"content": "x", "nonce": "n" * 26}, "BASE_TYPE_MAX_LENGTH"),
        ({"components": [row(button())] * 6}, "BASE_TYPE_BAD_LENGTH"),
        ({"components": [row(*map(button, "abcdef"))]}, "BASE_TYPE_BAD_LENGTH"),
        ({"components": [row()]}, "BASE_TYPE_BAD_LENGTH"),
        ({"components": [button()]}, "UNION_TYPE_CHOICES"),
        ({"components": [row(button(), button())]}, "COMPONENT_CUSTOM_ID_DUPLICATED"),
        ({"components": [row(button("x" * 101))]}, "BASE_TYPE_MAX_LENGTH"),
        ({"components": [row(button(""))]}, "COMPONENT_CUSTOM_ID_REQUIRED"),
        ({"components": [row(button(label="l" * 81))]}, "BASE_TYPE_MAX_LENGTH"),
        ({"components": [row(button(label=None))]}, "BUTTON_COMPONENT_INVALID_LABEL"),
        ({"components": [row(button(style=5))]}, "BUTTON_COMPONENT_CUSTOM_ID_URL"),
        ({"components": [row(select(), button())]}, "BASE_TYPE_BAD_LENGTH"),
        ({"components": [row({"type": 4, "custom_id": "t"})]}, "UNION_TYPE_CHOICES"),
        ({"components": [row(select(max_values=2))]}, "SELECT_COMPONENT_MAX_VALUES_TOO_LARGE"),
        ({"components": [row(select(min_values=2))]}, "NUMBER_TYPE_MAX"),
        ({"components": [row(select(max_values=26))]}, "NUMBER_TYPE_MAX"),
        ({"components": [row(select(options=[]))]}, "BASE_TYPE_BAD_LENGTH"),
        ({"embeds": [{"title": "t" * 257}]}, "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "d" * 3001}] * 2}, "MAX_EMBED_SIZE_EXCEEDED"),
        ({"embeds": [{}] * 11}, "BASE_TYPE_BAD_LENGTH"),
        ({"embeds": [{"image": {"url": "ftp://a/b"}}]}, "URL_TYPE_INVALID_SCHEME"),
        ({"embeds": [{"fields": [{"name": "", "value": "v"}]}]}, "BASE_TYPE_MIN_LENGTH"),
        (
            {"allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        ),
        (
            {"flags": COMPONENTS_V2, "content": "x"},
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
        ),
        ({"embeds": "words"}, "BASE_TYPE_BAD"),
    ],
)
def test_what_discord_refuses(body: dict[str, Any], code: str) -> None:
    assert code in codes(CREATE, body)


def test_an_edit_knows_no_nonce() -> None:
    assert codes(EDIT, {"content": "x", "nonce": "1"}) == {"UNKNOWN_FIELD"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": 3}, "BASE_TYPE_CHOICES"),
        ({"type": 4}, "BASE_TYPE_REQUIRED"),
        ({"type": 4, "data": {"content": "x" * 2001}}, "BASE_TYPE_MAX_LENGTH"),
        ({"type": 4, "data": {"text": "x"}}, "UNKNOWN_FIELD"),
        (
            {"type": 8, "data": {"choices": [{"name": "a", "value": "a"}] * 26}},
            "BASE_TYPE_BAD_LENGTH",
        ),
        ({"type": 8, "data": {"choices": [{"name": "", "value": "a"}]}}, "BASE_TYPE_MIN_LENGTH"),
        (
            {"type": 9, "data": {"title": "t" * 46, "custom_id": "m", "components": [row()]}},
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {"type": 9, "data": {"title": "t", "custom_id": "m", "components": []}},
            "BASE_TYPE_BAD_LENGTH",
        ),
    ],
)
def test_first_answers(body: dict[str, Any], code: str) -> None:
    assert code in codes(CALLBACK, body)


def command(**more: Any) -> dict[str, Any]:
    return {"name": "imagine", "description": "Paint", "type": 1} | more


def menu(**more: Any) -> dict[str, Any]:
    return {"name": "Report it", "type": 3} | more


def subcommand(**more: Any) -> dict[str, Any]:
    return {"name": "add", "description": "Add", "type": 1, "options": []} | more


def group(**more: Any) -> dict[str, Any]:
    return {"name": "list", "description": "A list", "type": 2, "options": [subcommand()]} | more


def option(**more: Any) -> dict[str, Any]:
    return {"name": "prompt", "description": "What", "type": 3, "required": True} | more


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ([command(name="Imagine")], "APPLICATION_COMMAND_INVALID_NAME"),
        ([command(name="a b")], "APPLICATION_COMMAND_INVALID_NAME"),
        ([command(description="")], "BASE_TYPE_BAD_LENGTH"),
        ([command(), command()], "APPLICATION_COMMANDS_DUPLICATE_NAME"),
        ([command(colour=1)], "UNKNOWN_FIELD"),
        ([command(options=[option()] * 2)], "APPLICATION_COMMAND_OPTIONS_NAME_TAKEN"),
        (
            [command(options=[option(name="a", required=False), option()])],
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        ),
        ([command(options=[option(choices=[{"name": "a"}] * 26)])], "BASE_TYPE_MAX_LENGTH"),
        (
            [command(options=[option(choices=[{"name": "a"}], autocomplete=True)])],
            "APPLICATION_COMMAND_AUTOCOMPLETE_WITH_CHOICES",
        ),
        (
            [command(options=[option(type=5, autocomplete=True)])],
            "APPLICATION_COMMAND_AUTOCOMPLETE_INVALID",
        ),
        ([command(name=f"c{n}") for n in range(101)], "APPLICATION_COMMAND_TOO_MANY"),
        ([menu(name=f"C {n}") for n in range(6)], "APPLICATION_COMMAND_TOO_MANY"),
        ([menu(name="")], "BASE_TYPE_BAD_LENGTH"),
        ([menu(description="d")], "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_INVALID"),
        ([menu(options=[option()])], "APPLICATION_COMMAND_CONTEXT_MENU_OPTIONS_INVALID"),
        ([command(contexts=[])], "BASE_TYPE_CHOICES"),
        ([command(contexts=[0, 3])], "BASE_TYPE_CHOICES"),
        (
            [command(options=[option(), group()])],
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
        ),
        ([command(options=[group(options=[])])], "BASE_TYPE_REQUIRED"),
        ([command(options=[group(options=[option()])])], "UNION_TYPE_CHOICES"),
        ([command(options=[group(options=[group()])])], "UNION_TYPE_CHOICES"),
        ([command(options=[subcommand(options=[subcommand()])])], "UNION_TYPE_CHOICES"),
        (
            [command(options=[option(type=6, min_length=1)])],
            "APPLICATION_COMMAND_OPTION_BOUND_INVALID",
        ),
        (
            [command(options=[option(type=4, min_value=2, max_value=1)])],
            "APPLICATION_COMMAND_OPTION_BOUND_INVALID",
        ),
        ([command(options=[option(max_length=6001)])], "NUMBER_TYPE_MAX"),
        (
            [command(options=[option(type=4, choices=[{"name": "a", "value": "a"}])])],
            "APPLICATION_COMMAND_OPTIONS_VALUE_INVALID",
        ),
        (
            [command(options=[option(choices=[{"name": "a", "value": "a"}] * 2)])],
            "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_TAKEN",
        ),
    ],
)
def test_commands(listed: list[dict[str, Any]], code: str) -> None:
    assert code in codes(COMMANDS, listed)


def test_groups_and_menus_that_discord_takes() -> None:
    listed = [command(options=[group(), subcommand(options=[option()])]), menu()]
    listed += [menu(name="Report it", type=2), command(name="dm", contexts=[1])]
    assert limits.check(*COMMANDS, listed) == []


def test_a_command_is_at_most_8000_characters() -> None:
    choices = [{"name": "n" * 100, "value": f"{n:0100}"} for n in range(25)]
    options = [option(name=f"o{n}", choices=choices) for n in range(2)]
    assert count_characters(command(options=options)) > 8000
    assert "APPLICATION_COMMAND_TOO_LARGE" in codes(COMMANDS, [command(options=options)])


def test_names_in_other_scripts() -> None:
    assert is_name("рисуй")
    assert is_name("วาด")
    assert not is_name("a" * 33)
    assert not is_name("draw!")
