"""/help: what people can type and press, by topic. The parameters come from the grammar's own table. Pure."""

from collections.abc import Mapping

from bot.answers import private_card
from bot.cards import PANEL_LIMIT, Card
from shared.errors import Refusal
from shared.parameterhelp import ParameterHelp, parameter_help

START = (
    "**/imagine** draws four pictures from your words: what there is to see, how it looks, then parameters.",
    "`a red sailboat on the sea at sunset --ar 3:2 --no birds`",
    "Pictures to start from go in as `image1` to `image5`, or as links in front of the words.",
    "`{red, green} bird` makes a job of each choice; `hot:: dog` weighs two ideas apart.",
    "",
    (
        "**/blend** mixes two to five pictures, **/describe** writes prompts for one, **/shorten** says which"
        " words matter, and `--enhance` writes a short prompt out."
    ),
    "Under the pictures: U shows one large, V varies it, 🔄 draws anew.",
)
COMMANDS = (
    "**Draw** /imagine /blend /describe /shorten",
    "**Yours** /queue /cancel /history /gallery /show /receipt /info",
    "**How** /settings /prefer /turbo /fast /relax /stealth /public /remix",
    "**Plans** /subscribe",
    "**API** /key",
    "**Safety** /report /verify /privacy",
    "In the menu of a message (Apps): Vary, Describe, Verify, Report.",
)
BUTTONS = (
    "**U1 to U4** show one picture large. **V1 to V4** draw four near it. 🔄 draws the words anew.",
    (
        "Under one picture: **Vary (Subtle, Strong)**; **Vary (Region)**: tap the cells that change, or name"
        " them; **Upscale (Subtle, Creative)** add pixels; **Zoom Out**, the arrows and **Make Square** draw"
        " around it; ❤️ keeps it in your favourites."
    ),
    "With /remix on, buttons ask you for other words first. Buttons work for ever.",
)
SPEEDS = (
    (
        "**Turbo** starts at the next step and costs double. **Fast** starts as soon as a GPU is free."
        " **Relax** is free and waits."
    ),
    (
        "What a job may cost is held when it is asked for, and settled by what the GPU measured: the rest comes"
        " back. What is blocked, fails or is cancelled costs nothing."
    ),
    "/receipt shows all of it, /info what you have left.",
)
SAFETY = (
    "Prompts and pictures pass filters; who is stopped is told the rule, and can appeal.",
    (
        "/report tells the moderators about a picture, /verify says whether one was made here, /privacy hands"
        " out or deletes what is kept of you."
    ),
)
TOPICS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "start": ("How to begin", START),
    "commands": ("Commands", COMMANDS),
    "buttons": ("Buttons", BUTTONS),
    "speeds": ("Speeds and cost", SPEEDS),
    "safety": ("Rules and privacy", SAFETY),
}
PARAMETERS = "parameters"


def help_card(topic: str) -> Card:
    if topic == PARAMETERS:
        return parameters_card()
    title, lines = TOPICS[topic]
    footer = "/help topic: parameters lists them all; /help parameter: tells of one."
    return private_card("\n".join(lines), title=title, footer=footer)


def parameters_card() -> Card:
    """One line each, as short as they fit: what one takes and its default, its own card says."""
    lines = [f"`{one.usage}` {one.sentence}" for one in parameter_help()]
    if len("\n".join(lines)) > PANEL_LIMIT:
        lines = [f"`{one.usage}`" for one in parameter_help()]
    footer = "They stand behind the words. /help parameter: tells what one takes."
    return private_card("\n".join(lines), title="Parameters", footer=footer)


def parameter_card(name: str) -> Card:
    one = found(name)
    text = f"`{one.usage}`\n{one.sentence}\n**Takes** {one.takes}\n**Without it** {one.default}"
    return private_card(text, title="Parameter")


def parameter_names(typed: str) -> list[str]:
    word = typed.strip().lstrip("-").casefold()
    usages = [one.usage for one in parameter_help()]
    return [usage for usage in usages if word in usage.casefold()][:25]


def found(name: str) -> ParameterHelp:
    """By any of its names, or by the line that the picker offered."""
    wanted = name.strip().lstrip("-").split(" ")[0].casefold()
    for one in parameter_help():
        if f"--{wanted}" in one.usage.casefold().split():
            return one
    sentence = f"There is no parameter --{wanted[:30]}. /help topic: parameters lists them."
    raise Refusal("unknown_parameter", sentence, field="parameter")
