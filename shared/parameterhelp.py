"""The table of parameters in words: lines for help and docs, and what each takes as a sentence begins."""

from dataclasses import dataclass

from shared.errors import Refusal
from shared.parameters import BY_FIELD, PARAMETERS, Kind, Parameter
from shared.references import HEAVIEST_LORA

MOST_NAMED = 8  # of many choices: a sentence is to be read


@dataclass(frozen=True, slots=True)
class ParameterHelp:
    """One line for people: what to type, what it takes and does, and what holds without it."""

    usage: str
    sentence: str
    default: str
    takes: str


def parameter_help() -> list[ParameterHelp]:
    """A line for every parameter that works, in the table's order."""
    return [
        ParameterHelp(_usage(one), one.help, one.default, _takes(one))
        for one in PARAMETERS
        if one.supported
    ]


def refused_help() -> list[ParameterHelp]:
    """The same for those that are refused, with what to do instead."""
    return [
        ParameterHelp(_usage(one), _answer(one), "", "") for one in PARAMETERS if not one.supported
    ]


def _answer(parameter: Parameter) -> str:
    if parameter.kind is Kind.DEPRECATED:
        return f"Deprecated: {parameter.help}."
    return f"{parameter.help}: {parameter.reason}."


def check_range(field: str, value: float) -> None:
    """Refusal unless the value is one that the grammar would take."""
    parameter = BY_FIELD[field]
    if not parameter.low <= value <= parameter.high:
        raise Refusal("invalid_value", f"{range_words(parameter)}, not {value:g}.", field=field)


def range_words(parameter: Parameter) -> str:
    """What the parameter takes, as the beginning of a sentence."""
    return f"{parameter.typed} takes {_takes(parameter)}"


def _takes(parameter: Parameter) -> str:
    span = f"from {parameter.low:g} to {parameter.high:.10g}"
    if parameter.choices:
        return f"one of {_listed(parameter.choices)}"
    return {
        Kind.FLAG: "no value",
        Kind.WHOLE: f"a whole number {span}",
        Kind.NUMBER: f"a number {span}",
        Kind.NAME: "one name",
        Kind.RATIO: f"width:height, two whole numbers {span}",
        Kind.LIST: "words, with commas between",
        Kind.LINKS: "direct links to pictures",
        Kind.STYLES: "direct links to pictures, style codes or random, perhaps with ::weight",
        Kind.LORAS: f"names, perhaps with :weight from -{HEAVIEST_LORA:g} to {HEAVIEST_LORA:g}",
    }[parameter.kind]


def _listed(choices: tuple[str, ...]) -> str:
    more = len(choices) - MOST_NAMED
    rest = [f"and {more} others"] if more > 1 else list(choices[MOST_NAMED:])
    return ", ".join([*choices[:MOST_NAMED], *rest])


def _usage(parameter: Parameter) -> str:
    others = [f"--{name}" for name in parameter.names if f"--{name}" != parameter.typed]
    return " or ".join([parameter.sample, *others])
