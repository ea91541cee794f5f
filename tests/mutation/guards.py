"""The guards that hold the promises, each with the text that is it. A guard's text must be there once."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("guards.toml")


@dataclass(frozen=True, slots=True)
class Guard:
    """`tests` are pytest ids; without the guard at least one of them must turn red."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    def removed_from(self, text: str) -> str:
        """LookupError when the list no longer fits the code."""
        if (found := text.count(self.old)) != 1:
            raise LookupError(f"{self.name}: its text is {found} times in {self.path}, not once")
        return text.replace(self.old, self.new)


def read_guards(path: Path = LIST) -> list[Guard]:
    rows = tomllib.loads(path.read_text())["guard"]
    return [Guard(**row | {"tests": tuple(row["tests"])}) for row in rows]
