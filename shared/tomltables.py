"""A table of a TOML file, read field by field: whatever is wrong is said with the field's full name. Pure."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

_MISSING: Any = object()


class TomlTable:
    """Every reader raises a ValueError that names the field and what it must be. Without a default a field
    must be there. `close` says what was never asked for: a misspelt field must not be silently nothing."""

    def __init__(self, raw: Any, where: str = "") -> None:
        if not isinstance(raw, Mapping):
            raise ValueError(f"{where} must be a table, not a {type(raw).__name__}")
        self._raw, self._where = raw, where
        self._left = set(raw)

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def names(self) -> list[str]:
        return list(self._raw)

    def table(self, name: str, *, optional: bool = False) -> "TomlTable":
        return TomlTable(self._take(name, {} if optional else _MISSING), self._path(name))

    def tables(self, name: str, *, optional: bool = True) -> "dict[str, TomlTable]":
        inner = self.table(name, optional=optional)
        return {each: inner.table(each) for each in inner.names()}

    def whole(self, name: str, default: int = _MISSING, *, least: int = 0) -> int:
        value = self._take(name, default)
        good = isinstance(value, int) and not isinstance(value, bool) and value >= least
        return int(self._must(good, name, f"must be a whole number from {least}", value))

    def number(
        self, name: str, default: float = _MISSING, *, least: float = 0, most: float = 1e15
    ) -> float:
        value = self._take(name, default)
        good = isinstance(value, int | float) and not isinstance(value, bool)
        good = good and isfinite(value) and least <= value <= most
        said = f"must be a number from {least:g}" + (f" to {most:g}" if most < 1e15 else "")
        return float(self._must(good, name, said, value))

    def text(self, name: str, default: str = _MISSING) -> str:
        value = self._take(name, default)
        return str(self._must(isinstance(value, str), name, "must be text", value))

    def yes(self, name: str, default: bool = _MISSING) -> bool:
        value = self._take(name, default)
        return bool(self._must(isinstance(value, bool), name, "must be true or false", value))

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._take(name, _MISSING)
        good = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
        return tuple(self._must(good, name, "must be a list of texts, not empty", value))

    def wrong(self, name: str, sentence: str) -> ValueError:
        return ValueError(f"{self._path(name)} {sentence}")

    def close(self) -> None:
        if self._left:
            raise self.wrong(min(self._left), "is no field that is known here")

    def _take(self, name: str, default: Any) -> Any:
        self._left.discard(name)
        value = self._raw.get(name, default)
        if value is _MISSING:
            raise self.wrong(name, "is missing")
        return value

    def _must(self, good: Any, name: str, sentence: str, value: Any) -> Any:
        if not good:
            raise self.wrong(name, f"{sentence}, not {value!r}")
        return value

    def _path(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name
