"""A prompt while it is typed: the grammar answers, and nothing else happens."""

from typing import Any

import httpx
import pytest

from farm.api.services import Services
from shared.orders import Person
from shared.preferences import Preferences


async def checked(client: httpx.AsyncClient, prompt: str, **more: object) -> dict[str, Any]:
    answer = await client.post("/v1/prompts/check", json={"prompt": prompt, **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_good_prompt_is_told_as_it_is_read(client: httpx.AsyncClient) -> None:
    told = await checked(client, "a red boat --ar 3:2 --hires 2")
    assert (told["ok"], told["error"]) == (True, None)
    recipe = told["recipe"]
    assert (recipe["model"], recipe["width"], recipe["height"]) == ("postcards", 1536, 1024)
    assert told["parameters"] == [
        {"name": "--ar", "field": "aspect", "value": "3:2", "position": 12},
        {"name": "--hires", "field": "hires", "value": "2", "position": 21},
    ]


async def test_choices_are_counted_and_priced(client: httpx.AsyncClient) -> None:
    one = (await checked(client, "a red boat"))["price"]
    two = (await checked(client, "a {red, blue} boat"))["price"]
    assert (two["jobs"], two["price_ms"]) == (2, 2 * one["price_ms"])
    assert one["available_ms"] >= one["price_ms"] > 0


WRONG = [
    ("a red boat --ar 3x", "invalid_value", "3x"),
    ("  a red boat --chaos", "missing_value", "--chaos"),
    ("a red boat --chas 3", "unknown_parameter", "--chas"),
    ("a {red boat", "unbalanced_braces", "{red"),
    ("a 🦜 boat --seed x", "invalid_value", "x"),
]


async def test_what_is_wrong_is_marked_where_it_stands(client: httpx.AsyncClient) -> None:
    for prompt, code, marked in WRONG:
        told = await checked(client, prompt)
        error = told["error"]
        assert not told["ok"]
        start = error["position"] - 1
        assert error["code"] == code
        assert prompt[start : start + error["length"]] == marked


async def test_a_place_in_what_was_spelt_out_is_none_in_what_was_typed(
    client: httpx.AsyncClient, services: Services
) -> None:
    chosen = Preferences(options={"wide": "--ar 3:2"})
    await services.desk.set_preferences(Person("1001", "Person 1001", "free"), chosen)
    assert (await checked(client, "a boat --wide"))["ok"]
    error = (await checked(client, "a boat --wide --chaos x"))["error"]
    assert (error["code"], error["position"]) == ("invalid_value", None)


async def test_nothing_is_made_screened_or_counted(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked(*_: object, **__: object) -> None:
        raise AssertionError("what is still being typed is not screened")

    monkeypatch.setattr(type(services.screen), "assess", looked)
    assert (await checked(client, "words that nobody has asked for"))["ok"]
    person = Person("1001", "Person 1001", "free")
    assert await services.desk.history(person) == ()


async def test_a_picture_that_comes_with_it_counts(client: httpx.AsyncClient) -> None:
    assert (await checked(client, "a red boat --iw 2", pictures=1))["ok"]
    assert not (await checked(client, "a red boat --iw 2"))["ok"]


NO_DRAFTS = [
    {},
    {"prompt": "a\0b"},
    {"prompt": "x" * 8_001},
    {"prompt": "a boat", "pictures": 6},
    {"prompt": "a boat", "colour": "red"},
]


async def test_what_is_no_draft_is_refused_by_its_field(
    client: httpx.AsyncClient,
) -> None:
    for body in NO_DRAFTS:
        answer = await client.post("/v1/prompts/check", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["field"] in {"prompt", "pictures", "colour"}


async def test_half_a_character_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post(
        "/v1/prompts/check", content=b'{"prompt": "a \\ud800 boat"}', headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_parameters_are_those_of_the_grammar(client: httpx.AsyncClient) -> None:
    told = (await client.get("/v1/parameters")).json()["data"]
    aspect = next(one for one in told if one["field"] == "aspect")
    assert (aspect["typed"], aspect["names"], aspect["kind"]) == ("--ar", ["aspect", "ar"], "ratio")
    assert all(one["help"] and one["takes"] for one in told)
