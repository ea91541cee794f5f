"""The one table of parameters: it drives parsing, formatting, help and errors of the grammar."""

from dataclasses import dataclass
from enum import StrEnum

from shared.catalog import SAMPLERS
from shared.errors import Refusal
from shared.plans import Speed

MOST_NAMED = 8  # of many choices: a sentence is to be read


class Kind(StrEnum):
    FLAG = "flag"
    WHOLE = "whole"
    NUMBER = "number"
    ONE_OF = "one_of"
    RATIO = "ratio"
    LIST = "list"
    UNSUPPORTED = "unsupported"
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True)
class Parameter:
    """`field` is the Prompt's attribute; `help` of an unsupported or deprecated one is its answer."""

    name: str
    kind: Kind
    help: str
    field: str = ""
    aliases: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    example: str = ""
    default: str = ""
    usual: str = ""  # the alias that people write, when it is not the name

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    @property
    def typed(self) -> str:
        return f"--{self.usual or self.name}"

    @property
    def sample(self) -> str:
        return f"{self.typed} {self.example}".rstrip()

    @property
    def supported(self) -> bool:
        return self.kind not in (Kind.UNSUPPORTED, Kind.DEPRECATED)


@dataclass(frozen=True, slots=True)
class ParameterHelp:
    """One line for people: what to type, what it does, and what holds without it."""

    usage: str
    sentence: str
    default: str


def _speed(speed: Speed, sentence: str) -> Parameter:
    return Parameter(speed.value, Kind.FLAG, sentence, field="speed", default="your setting")


def _later(name: str, what: str, *aliases: str) -> Parameter:
    return Parameter(name, Kind.UNSUPPORTED, what, aliases=aliases)


def _old(name: str, advice: str, *aliases: str) -> Parameter:
    return Parameter(name, Kind.DEPRECATED, advice, aliases=aliases)


# fmt: off
PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "aspect", Kind.RATIO, "Width to height, two whole numbers.",
        field="aspect", aliases=("ar",), usual="ar",
        low=1, high=1000, example="3:2", default="1:1",
    ),
    Parameter(
        "no", Kind.LIST, "What to leave out, with commas between.",
        field="negative", example="birds, rain", default="nothing",
    ),
    Parameter(
        "seed", Kind.WHOLE, "The same seed and prompt give the same pictures.",
        field="seed", low=0, high=2**32 - 1, example="7", default="drawn by chance",
    ),
    Parameter(
        "steps", Kind.WHOLE, "How many steps each picture takes; your plan sets the most.",
        field="steps", low=1, high=150, example="20", default="the checkpoint's",
    ),
    Parameter(
        "guidance", Kind.NUMBER, "How closely the picture keeps to the text; 1 is loosest, and fastest.",
        field="guidance", aliases=("cfg",), low=1, high=20, example="4.5", default="the checkpoint's",
    ),
    Parameter(
        "sampler", Kind.ONE_OF, "The way from noise to picture.",
        field="sampler", choices=SAMPLERS, example="euler-a", default="the checkpoint's",
    ),
    Parameter(
        "quality", Kind.NUMBER, "Scales the checkpoint's steps: less is faster, more is finer.",
        field="quality", aliases=("q",), low=0.25, high=2, choices=("0.25", "0.5", "1", "2"),
        example="0.5", default="1",
    ),
    Parameter(
        "stop", Kind.WHOLE, "Takes the picture as it is after so many percent of its steps: softer.",
        field="stop", low=10, high=100, example="80", default="100",
    ),
    Parameter(
        "repeat", Kind.WHOLE, "The same prompt as so many jobs, each with its own seed.",
        field="repeat", aliases=("r",), low=1, high=40, example="3", default="1",
    ),
    _speed(Speed.TURBO, "Starts at the next step, ahead of all others; costs double."),
    _speed(Speed.FAST, "Starts as soon as a GPU is free."),
    _speed(Speed.RELAX, "Costs nothing and waits for a quiet moment."),
    _later("chaos", "Variety across the grid", "c"),
    _later("stylize", "Stylizing", "s"),
    _later("tile", "Seamless tiles"),
    _later("iw", "The weight of an image prompt"),
    _later("weird", "Weirdness", "w"),
    _later("sref", "A style reference"),
    _later("sw", "The weight of a style reference"),
    _later("sv", "The version of style references"),
    _later("cref", "A character reference"),
    _later("cw", "The weight of a character reference"),
    _later("oref", "An omni reference"),
    _later("ow", "The weight of an omni reference"),
    _later("edit", "Editing pictures"),
    _later("exp", "The experimental look"),
    _later("version", "Choosing a model version", "v"),
    _later("niji", "The niji model"),
    _later("raw", "Raw style"),
    _later("style", "Choosing a style"),
    _later("draft", "Draft mode"),
    _later("hd", "HD mode", "sd"),
    _later("profile", "Personalization", "p"),
    _later("stealth", "Stealth mode"),
    _later("public", "Public mode"),
    _later("zoom", "Zooming out"),
    _later("video", "Video", "motion", "loop", "end", "bs"),
    _old("width", "use --ar instead, for example --ar 3:2", "height"),
    _old("sameseed", "use --seed instead, for example --seed 7"),
    _old("hq", "use --quality instead, for example --quality 2"),
    _old("upbeta", "use the U buttons under a finished grid", "uplight", "upanime", "beta"),
    _old("test", "leave it out", "testp", "creative", "newclip", "nostretch", "old"),
)
# fmt: on
BY_NAME = {name: parameter for parameter in PARAMETERS for name in parameter.names}
BY_FIELD = {
    parameter.field: parameter for parameter in PARAMETERS if parameter.kind is not Kind.FLAG
}


def parameter_help() -> list[ParameterHelp]:
    """A line for every parameter that works, in the table's order."""
    return [
        ParameterHelp(_usage(parameter), parameter.help, parameter.default)
        for parameter in PARAMETERS
        if parameter.supported
    ]


def check_range(field: str, value: float) -> None:
    """Refusal unless the value is one that the grammar would take."""
    parameter = BY_FIELD[field]
    if not parameter.low <= value <= parameter.high:
        raise Refusal("invalid_value", f"{range_words(parameter)}, not {value:g}.", field=field)


def range_words(parameter: Parameter) -> str:
    """What the parameter takes, as the beginning of a sentence."""
    span = f"from {parameter.low:g} to {parameter.high:.10g}"
    if parameter.choices:
        return f"{parameter.typed} takes one of {_listed(parameter.choices)}"
    return {
        Kind.FLAG: f"{parameter.typed} takes no value",
        Kind.WHOLE: f"{parameter.typed} takes a whole number {span}",
        Kind.NUMBER: f"{parameter.typed} takes a number {span}",
        Kind.RATIO: f"{parameter.typed} takes width:height, two whole numbers {span}",
        Kind.LIST: f"{parameter.typed} takes words, with commas between",
    }[parameter.kind]


def _listed(choices: tuple[str, ...]) -> str:
    more = len(choices) - MOST_NAMED
    rest = [f"and {more} others"] if more > 1 else list(choices[MOST_NAMED:])
    return ", ".join([*choices[:MOST_NAMED], *rest])


def _usage(parameter: Parameter) -> str:
    others = [f"--{name}" for name in parameter.names if f"--{name}" != parameter.typed]
    return " or ".join([parameter.sample, *others])
