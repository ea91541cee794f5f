"""`pictor safety explain`: how one text is read, what is seen in it, and what the policy makes of that."""

import json
from dataclasses import asdict, dataclass
from time import perf_counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.config import Settings
from shared.safety.lookalikes import normalise
from shared.safety.policy import Policy
from shared.safety.screen import PromptScreen, open_screen
from shared.safety.verdict import Decision, Sign, Verdict

COLOURS = {Decision.ALLOW: "green", Decision.REVIEW: "yellow", Decision.BLOCK: "red"}
LONGEST = 100  # characters of a reading that are shown


@dataclass(frozen=True, slots=True)
class Explanation:
    """`readings` are (what was undone, words), the plain one first; `signs` with the zone each is in."""

    text: str
    normalised: str
    readings: list[tuple[str, str]]
    signs: list[tuple[Sign, str]]
    verdict: Verdict
    milliseconds: float


def explain(screen: PromptScreen, text: str, negative: str = "") -> Explanation:
    declined = [negative] if negative else []
    begin = perf_counter()
    verdict = screen.screen([text], negative=declined)
    took = (perf_counter() - begin) * 1000
    evidence = screen.evidence(text)
    signs = screen.assess([text], negative=declined).signs
    policy = screen.rules.policy
    return Explanation(
        text,
        normalise(text),
        [
            (reading.kind or "as written", " ".join(reading.words))
            for reading in evidence.seen.readings
        ],
        [(sign, _zone(sign, policy)) for sign in signs],
        verdict,
        took,
    )


def run_explain(settings: Settings, text: str, negative: str, *, as_json: bool) -> None:
    screen = open_screen(
        settings.blocklist_file, settings.policy_file, figures=settings.public_figures_file
    )
    screen.screen([text])  # the first prompt pays for tables that are made once
    explanation = explain(screen, text, negative)
    if as_json:
        Console(highlight=False, soft_wrap=True).print_json(_json(explanation))
    else:
        _print(explanation)


def _zone(sign: Sign, policy: Policy) -> str:
    band = policy.bands.get(sign.category)
    return str(band.zone(sign.score)) if band else "rule"


def _json(explanation: Explanation) -> str:
    told = asdict(explanation)
    told["signs"] = [{**asdict(sign), "zone": zone} for sign, zone in explanation.signs]
    told["readings"] = [{"undone": kind, "words": words} for kind, words in explanation.readings]
    return json.dumps(told, ensure_ascii=False)


def _print(explanation: Explanation) -> None:
    console = Console(highlight=False)
    console.print(Text("read", style="bold"))
    console.print(_readings(explanation))
    console.print(Text("seen", style="bold"))
    console.print(_signs(explanation))
    console.print(_said(explanation))


def _readings(explanation: Explanation) -> Table:
    table = Table("undone", "words", box=None, pad_edge=False, header_style="dim")
    table.add_row("raw", Text(explanation.text[:LONGEST]))
    if explanation.normalised != explanation.text:
        table.add_row("normalised", Text(explanation.normalised[:LONGEST]))
    for kind, words in explanation.readings:
        table.add_row(Text(kind), Text(words[:LONGEST]))
    return table


def _signs(explanation: Explanation) -> Table:
    table = Table(
        "category", "score", "zone", "rule", "words", box=None, pad_edge=False, header_style="dim"
    )
    for sign, zone in explanation.signs:
        style = COLOURS.get(Decision(zone), "") if zone != "rule" else "red"
        score = f"{sign.score:.2f}"
        table.add_row(
            sign.category, score, Text(zone, style=style), Text(sign.rule), Text(sign.words)
        )
    return table


def _said(explanation: Explanation) -> Text:
    verdict = explanation.verdict
    because = f" by {verdict.rule} ({verdict.category})" if verdict.rule else ""
    said = Text(f"{verdict.decision}", style=f"bold {COLOURS[verdict.decision]}")
    return said.append(
        f"{because}, {explanation.milliseconds:.1f} ms\n{verdict.policy}", style="not bold"
    )
