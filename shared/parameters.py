"""The one table of parameters: it drives parsing, formatting, help and errors of the grammar."""

from dataclasses import dataclass
from enum import StrEnum

from shared.catalog import SAMPLERS
from shared.plans import Speed, Visibility


class Kind(StrEnum):
    FLAG = "flag"
    WHOLE = "whole"
    NUMBER = "number"
    ONE_OF = "one_of"
    NAME = "name"
    RATIO = "ratio"
    LIST = "list"
    LINKS = "links"
    STYLES = "styles"
    LORAS = "loras"
    UNSUPPORTED = "unsupported"
    DEPRECATED = "deprecated"


SEVERAL = frozenset({Kind.LIST, Kind.LINKS, Kind.STYLES, Kind.LORAS})  # said twice, they add up


@dataclass(frozen=True, slots=True)
class Parameter:
    """`field` is the Prompt's attribute; `help` of a deprecated one is its answer, of an unsupported one
    what it would be, and `reason` why it is not here and what is instead.

    `value` is what a flag says; `bare` what stands for no value; `prefix` comes before the value in the
    Prompt's field, where two parameters share one. `needs` is a field without which it means nothing;
    `against` are fields that contradict it. `ability` is what a checkpoint must be able to (shared.abilities).
    """

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
    value: str | bool = True
    bare: str = ""
    prefix: str = ""
    needs: str = ""
    against: tuple[str, ...] = ()
    reason: str = ""
    ability: str = ""

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


def _speed(speed: Speed, sentence: str) -> Parameter:
    return Parameter(
        speed.value, Kind.FLAG, sentence, field="speed", default="your setting", value=speed
    )


def _seen(who: Visibility, sentence: str) -> Parameter:
    return Parameter(
        who.value, Kind.FLAG, sentence, field="visibility", default="your setting", value=who
    )


def _not_here(name: str, what: str, reason: str, *aliases: str) -> Parameter:
    return Parameter(name, Kind.UNSUPPORTED, what, aliases=aliases, reason=reason)


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
        field="negative", ability="negative", example="birds, rain", default="nothing",
    ),
    Parameter(
        "seed", Kind.WHOLE, "The same seed and prompt give the same pictures.",
        field="seed", low=0, high=2**32 - 1, example="7", default="drawn by chance",
    ),
    Parameter(
        "chaos", Kind.WHOLE, "How far the pictures of a grid stray from each other.",
        field="chaos", ability="chaos", aliases=("c",), low=0, high=100, example="30", default="0",
    ),
    Parameter(
        "weird", Kind.WHOLE, "How far all pictures stray from the usual.",
        field="weird", ability="weird", aliases=("w",), low=0, high=3000, example="500", default="0",
    ),
    Parameter(
        "stylize", Kind.WHOLE, "How strongly a style acts: 0 not at all, 100 as it was made, 1000 twice that.",
        field="stylize", aliases=("s",), low=0, high=1000, example="250", default="100",
    ),
    Parameter(
        "style", Kind.NAME, "A style of the checkpoint, by its name; raw is none.",
        field="style", example="sepia", default="the checkpoint's", against=("raw",),
    ),
    Parameter(
        "raw", Kind.FLAG, "No style at all, not even the checkpoint's own.",
        field="raw", default="off", against=("style",),
    ),
    Parameter(
        "tile", Kind.FLAG, "Opposite edges meet, so that the picture can be laid side by side.",
        field="tile", ability="tile", default="off",
    ),
    Parameter(
        "iw", Kind.NUMBER, "How much of the pictures in the prompt stays.",
        field="image_weight", ability="pictures", low=0, high=3, example="1.5", default="1", needs="images",
    ),
    Parameter(
        "sref", Kind.STYLES, "Style references: links, style codes or random, each perhaps with a ::weight.",
        field="style_refs", example="1234::2", default="none",
    ),
    Parameter(
        "sw", Kind.WHOLE, "How strongly style references act.",
        field="style_weight", low=0, high=1000, example="200", default="100", needs="style_refs",
    ),
    Parameter(
        "cref", Kind.LINKS, "Character references: links to pictures.",
        field="character_refs", example="https://example.com/cat.png", default="none",
    ),
    Parameter(
        "cw", Kind.WHOLE, "How much of a character reference is kept.",
        field="character_weight", low=0, high=100, example="50", default="100", needs="character_refs",
    ),
    Parameter(
        "lora", Kind.LORAS, "LoRAs of the catalog by name, each perhaps with a :weight from -4 to 4.",
        field="loras", example="sepia:0.8", default="none",
    ),
    Parameter(
        "control", Kind.NAME, "Keeps to the outlines or the depth of the first picture in the prompt.",
        field="control", example="edges", default="none", needs="images",
    ),
    Parameter(
        "model", Kind.NAME, "The checkpoint that draws, by its name.",
        field="model", example="postcards", default="your setting", against=("version",),
    ),
    Parameter(
        "version", Kind.NAME, "The checkpoint that draws, by its version; newest is the newest.",
        field="version", aliases=("v",), usual="v", example="1", default="your setting", against=("model",),
    ),
    Parameter(
        "niji", Kind.NAME, "The checkpoint for anime, perhaps with its version.",
        field="version", example="6", default="off", bare="niji", prefix="niji", against=("model",),
    ),
    Parameter(
        "steps", Kind.WHOLE, "How many steps each picture takes; your plan sets the most.",
        field="steps", low=1, high=150, example="20", default="the checkpoint's", against=("quality",),
    ),
    Parameter(
        "quality", Kind.NUMBER, "Scales the checkpoint's steps: less is faster, more is finer.",
        field="quality", aliases=("q",), low=0.25, high=4, choices=("0.25", "0.5", "1", "2", "4"),
        example="0.5", default="1", against=("steps",),
    ),
    Parameter(
        "draft", Kind.FLAG, "Half of the steps, and about half of the price.",
        field="draft", default="off", against=("hires",),
    ),
    Parameter(
        "hires", Kind.NUMBER, "Drawn once more, larger, so that details come out.",
        field="hires", ability="hires", low=1.5, high=2, choices=("1.5", "2"), example="1.5", default="off",
        bare="2", against=("draft",),
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
        "stop", Kind.WHOLE, "Takes the picture as it is after so many percent of its steps: softer.",
        field="stop", low=10, high=100, example="80", default="100",
    ),
    Parameter(
        "repeat", Kind.WHOLE, "The same prompt as so many jobs, each with its own seed.",
        field="repeat", aliases=("r",), low=1, high=40, example="3", default="1",
    ),
    Parameter(
        "enhance", Kind.FLAG, "A text service writes the prompt out; you see its words before they are used.",
        field="enhance", default="off",
    ),
    _speed(Speed.TURBO, "Starts at the next step, ahead of all others; costs double."),
    _speed(Speed.FAST, "Starts as soon as a GPU is free."),
    _speed(Speed.RELAX, "Costs nothing and waits for a quiet moment."),
    _seen(Visibility.STEALTH, "Nobody but you and the moderators sees it."),
    _seen(Visibility.PUBLIC, "Galleries may show it."),
    _not_here("sv", "The version of style references", "there is one. Leave it out"),
    _not_here("oref", "An omni reference", "no checkpoint here reads one. Use --cref or a link in front", "ow"),
    _not_here("edit", "Editing pictures", "pictures are changed by buttons. Use Vary (Region) under one"),
    _not_here("exp", "The experimental look", "no checkpoint here has one. Use --stylize or --weird"),
    _not_here("hd", "HD mode", "sizes are the checkpoint's. Use --hires", "sd"),
    _not_here("profile", "Personalization", "nobody's taste is learned here. Use --style or --sref", "p"),
    _not_here("zoom", "Zooming out", "it goes on from a picture. Use the Zoom Out buttons under one"),
    _not_here("video", "Video", "pictures here do not move. Leave it out", "motion", "loop", "end", "bs"),
    _old("width", "use --ar instead, for example --ar 3:2", "height"),
    _old("sameseed", "use --seed instead, for example --seed 7"),
    _old("hq", "use --quality instead, for example --quality 2"),
    _old("upbeta", "use the U buttons under a finished grid", "uplight", "upanime", "beta"),
    _old("creative", "use --stylize or --chaos instead, for example --chaos 30"),
    _old("test", "choose a checkpoint by --model instead, or leave it out", "testp"),
    _old("newclip", "leave it out", "nostretch", "old"),
)
# fmt: on
BY_NAME = {name: parameter for parameter in PARAMETERS for name in parameter.names}
# Where parameters share a field, the first that takes a value speaks for it.
BY_FIELD = {one.field: one for one in reversed(PARAMETERS) if one.supported}
NAMES_HERE = tuple(name for one in PARAMETERS if one.supported for name in one.names)
