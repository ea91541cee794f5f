"""What the API says of itself: complete enough to generate clients from."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

VERBS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def description(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for verb in VERBS:
            if verb in item:
                yield f"{verb} {path}", item[verb]


def test_every_operation_is_told_in_full(description: dict[str, Any]) -> None:
    lacking = {
        name: missing
        for name, one in operations(description)
        if (missing := [part for part in ("summary", "tags", "operationId") if not one.get(part)])
    }
    assert lacking == {}


def test_every_group_of_operations_is_described_and_none_is_empty(
    description: dict[str, Any],
) -> None:
    used = {tag for _, one in operations(description) for tag in one["tags"]}
    assert used == {one["name"] for one in description["tags"] if one["description"]}
    assert len(used) == len(description["tags"])


def test_every_operation_has_a_name_of_its_own(description: dict[str, Any]) -> None:
    names = [one["operationId"] for _, one in operations(description)]
    assert sorted(names) == sorted(set(names))


def test_every_operation_says_how_it_refuses(description: dict[str, Any]) -> None:
    silent = [
        name
        for name, one in operations(description)
        if not any(status.startswith("4") for status in one["responses"])
    ]
    assert silent == []


def test_every_model_has_a_name_of_its_own(description: dict[str, Any]) -> None:
    assert [name for name in description["components"]["schemas"] if "__" in name] == []


def test_a_stream_is_of_events(description: dict[str, Any]) -> None:
    stream = description["paths"]["/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]
    event = stream["content"]["text/event-stream"]["schema"]
    assert event["properties"]["data"]["contentSchema"] == {"$ref": "#/components/schemas/Events"}
