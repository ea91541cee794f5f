"""docs/parameters.md tells what the table says, line by line."""

from shared.config import ROOT
from shared.parameterhelp import parameter_help, refused_help


def test_the_reference_is_the_table() -> None:
    text = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    told = [line for line in text.splitlines() if line.startswith("| `--")]
    here = [
        f"| `{one.usage}` | {one.takes} | {one.sentence} | {one.default} |"
        for one in parameter_help()
    ]
    elsewhere = [f"| `{one.usage}` | {one.sentence} |" for one in refused_help()]
    assert told == [*here, *elsewhere]
