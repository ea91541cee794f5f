"""docs/configuration.md names every setting with its default, and no other."""

import re
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.config import Settings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
FILES = {"PICTOR_PLANS_FILE", "PICTOR_CATALOG_FILE", "PICTOR_BLOCKLIST_FILE", "PICTOR_POLICY_FILE"}


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| `(PICTOR_\w+)` \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE)
    return {name: default.strip().strip("`") for name, default in rows}


def existing() -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for part, field in Settings.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            found |= {
                f"PICTOR_{part}__{name}".upper(): inner
                for name, inner in model.model_fields.items()
            }
        else:
            found[f"PICTOR_{part}".upper()] = field
    return found


def shown(default: object) -> str:
    if default is None:
        return "–"
    if isinstance(default, dict):
        return str(default).replace("'", '"')
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_page_names_every_setting_and_no_other() -> None:
    assert set(documented()) == set(existing())


def test_the_page_tells_the_true_defaults() -> None:
    told = {name: default for name, default in documented().items() if name not in FILES}
    assert told == {name: shown(existing()[name].default) for name in told}
