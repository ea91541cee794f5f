"""Discord's own description of its API, as the judge of every body that a bot sends."""

import json
from pathlib import Path
from typing import Any

from bot.emulator.errors import Problem

Json = dict[str, Any]
ROOT = "urn:discord"


class Description:
    """Validators are compiled when an operation is first seen, and kept."""

    def __init__(self, document: Json) -> None:
        # Only tests and `--openapi` judge by the description; the demo runs without jsonschema.
        import jsonschema
        import referencing.jsonschema

        _loosen(document)
        resource = referencing.jsonschema.DRAFT202012.create_resource(document)
        self._registry = referencing.Registry().with_resource(ROOT, resource)
        self._make = jsonschema.Draft202012Validator
        self._paths: Json = document["paths"]
        self._templates = {_shape(path): path for path in self._paths}
        self._validators: dict[tuple[str, str], Any] = {}

    @classmethod
    def load(cls, path: Path) -> "Description":
        try:
            return cls(json.loads(path.read_text("utf-8")))
        except OSError as error:
            raise ValueError(f"cannot read Discord's description {path}: {error}") from error
        except (json.JSONDecodeError, KeyError, ImportError) as error:
            raise ValueError(f"cannot use Discord's description {path}: {error!r}") from error

    def problems(self, method: str, template: str, body: Any) -> list[Problem]:
        validator = self._validator(method.lower(), template)
        if validator is None:
            return []
        return [_problem(error) for error in validator.iter_errors(body)]

    def _validator(self, method: str, template: str) -> Any:
        key = (method, template)
        if key not in self._validators:
            self._validators[key] = self._compile(method, template)
        return self._validators[key]

    def _compile(self, method: str, template: str) -> Any:
        path = self._templates.get(_shape(template))
        operation = self._paths.get(path, {}).get(method, {}) if path else {}
        if "application/json" not in operation.get("requestBody", {}).get("content", {}):
            return None
        steps = ("paths", path, method, "requestBody", "content", "application/json", "schema")
        pointer = "/".join(_escape(str(step)) for step in steps)
        return self._make({"$ref": f"{ROOT}#/{pointer}"}, registry=self._registry)


def _shape(path: str) -> str:
    """Parameters lose their names, so that any spelling of a template finds it."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def _escape(step: str) -> str:
    return (
        step.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
    ).replace("@", "%40")


def _loosen(document: Json) -> None:
    # Discord takes ids as numbers too, though the description says text only.
    snowflake = document["components"]["schemas"]["SnowflakeType"]
    snowflake["type"] = ["string", "integer"]


def _problem(error: Any) -> Problem:
    deepest = _deepest(error)
    path = tuple(deepest.absolute_path)
    return Problem(path, f"SCHEMA_{deepest.validator}".upper(), deepest.message[:300])


def _deepest(error: Any) -> Any:
    """Of a failed choice between shapes, what is wrong with the shape that was meant."""
    while error.context:
        branches: dict[Any, list[Any]] = {}
        for each in error.context:
            branches.setdefault(each.schema_path[0], []).append(each)
        meant = min(branches.values(), key=lambda errors: any(map(_is_other_shape, errors)))
        error = max(meant, key=lambda each: len(each.absolute_path))
    return error


def _is_other_shape(error: Any) -> bool:
    # Discord tells its shapes apart by `type`; `null` stands for "nothing here".
    return list(error.path) == ["type"] or (error.validator == "type" and not error.path)
