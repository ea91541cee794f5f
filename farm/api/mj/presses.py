"""Buttons of the proxy's dialect: which there are under a task, and what each asks the desk for. Pure.

Their ids are those that its clients know, with our job's number where Midjourney's stood. Anyone can forge
one: it carries no right to anything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from farm.api.mj.answers import Button
from shared.errors import Refusal
from shared.jobs import Job, JobKind

_ID = re.compile(
    r"MJ::(?:JOB::)?(?P<name>[A-Za-z0-9_]{1,40})(?:::(?P<first>[0-9]{1,3}))?(?:::[0-9]{1,3})?"
    r"::(?P<job>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:::SOLO)?"
)
_PROPOSED = re.compile(r"MJ::Job::(?:PicReader|PromptAnalyzer)::([1-9])")
_SIMPLE = re.compile(r"\s*([0-9]{1,18})\s+(?:([UVuv])([1-9][0-9]?)|([Rr]))\s*")
_PERCENT = "Outpaint"  # how much of the frame the picture keeps
_KEYCAP = "\ufe0f\u20e3"


@dataclass(frozen=True, slots=True)
class Wish:
    """`action` as the dialect tells it; the rest as shared.orders.Ask has it. `form`: its words are asked for
    first, always; `remix`: by whoever likes to remix."""

    action: str
    verb: str
    manner: str = ""
    factor: float = 0.0
    form: bool = False
    remix: bool = False


@dataclass(frozen=True, slots=True)
class Press:
    wish: Wish
    job_id: UUID
    index: int = 0

    def told(self) -> dict[str, Any]:
        wish = self.wish
        return {
            "action": wish.action,
            "verb": wish.verb,
            "manner": wish.manner,
            "factor": wish.factor,
            "form": wish.form,
            "job": str(self.job_id),
            "index": self.index,
        }


_TWICE, _REROLL = "upsample_v6_2x_", "reroll"
WISHES: Mapping[str, Wish] = {
    "upsample": Wish("UPSCALE", "upscale"),
    "variation": Wish("VARIATION", "vary", remix=True),
    _REROLL: Wish("REROLL", "reroll", remix=True),
    "low_variation": Wish("VARIATION", "vary", "subtle", remix=True),
    "high_variation": Wish("VARIATION", "vary", "strong", remix=True),
    f"{_TWICE}subtle": Wish("UPSCALE", "upscale", "subtle"),
    f"{_TWICE}creative": Wish("UPSCALE", "upscale", "creative"),
    "pan_left": Wish("PAN", "pan", "left", remix=True),
    "pan_right": Wish("PAN", "pan", "right", remix=True),
    "pan_up": Wish("PAN", "pan", "up", remix=True),
    "pan_down": Wish("PAN", "pan", "down", remix=True),
    f"{_PERCENT}::50": Wish("ZOOM", "zoom", factor=2.0),
    f"{_PERCENT}::75": Wish("ZOOM", "zoom", factor=1.5),
    f"{_PERCENT}::100": Wish("ZOOM", "square"),
    "CustomZoom": Wish("ZOOM", "zoom", form=True),
    "Inpaint": Wish("INPAINT", "region", form=True),
}
_CHANGES = {"UPSCALE": "upsample", "VARIATION": "variation", "REROLL": _REROLL}
_LETTERS = {"U": "UPSCALE", "V": "VARIATION", "R": "REROLL"}


def read_press(custom_id: str) -> Press:
    """Refusal `unknown_button`."""
    match = _ID.fullmatch(custom_id)
    if match is None:
        raise _unknown()
    name, first = match["name"], match["first"] or ""
    wish = WISHES.get(f"{name}::{first}" if name == _PERCENT else name)
    if wish is None:
        raise _unknown()
    counted = name in ("upsample", "variation")
    return Press(wish, UUID(match["job"]), _place(int(first or 0)) if counted else 0)


def read_proposal(custom_id: str) -> int | None:
    """Which of the prompts under a described picture or a shortened one, from 0."""
    match = _PROPOSED.fullmatch(custom_id)
    return int(match[1]) - 1 if match else None


def changed(action: str, index: int | None, job_id: UUID) -> Press:
    wish = WISHES[_CHANGES[action]]
    return Press(wish, job_id, 0 if wish.verb == "reroll" else _place(index or 0))


def read_change(content: str) -> tuple[str, str, int]:
    """`17 U2` is task 17, UPSCALE, 2. Refusal for anything else."""
    match = _SIMPLE.fullmatch(content)
    if match is None:
        sentence = "Write the task's id, a space, and U1 to U4, V1 to V4 or R: 1320098173412546 U2."
        raise Refusal("invalid_value", sentence, field="content")
    letter = (match[2] or match[4]).upper()
    return match[1], _LETTERS[letter], int(match[3] or 0)


def told_as(press: Press, task_id: str) -> str:
    """The task's description, as the proxy words it."""
    letters = {"upscale": f"U{press.index + 1}", "vary": f"V{press.index + 1}", "reroll": "R"}
    return f"/up {task_id} {letters.get(press.wish.verb, press.wish.action)}"


def press_of(told: Mapping[str, Any]) -> Press:
    """As it was kept with a form."""
    wish = Wish(told["action"], told["verb"], told["manner"], told["factor"], form=told["form"])
    return Press(wish, UUID(told["job"]), told["index"])


def buttons_of(job: Job) -> list[Button]:
    """Under what it drew."""
    return _single(job) if job.kind is JobKind.UPSCALE else _grid(job)


def buttons_for(prompts: Sequence[str], name: str) -> list[Button]:
    """Each draws one of them."""
    numbers = range(1, len(prompts) + 1)
    return [Button(custom_id=f"MJ::Job::{name}::{n}", emoji=f"{n}{_KEYCAP}") for n in numbers]


def numbered(prompts: Sequence[str]) -> str:
    """As one text, which clients show."""
    return "\n\n".join(f"{n}{_KEYCAP} {prompt}" for n, prompt in enumerate(prompts, 1))


def _grid(job: Job) -> list[Button]:
    tiles = range(1, job.spec.images + 1)
    upscales = [_button(job, f"JOB::upsample::{n}", f"U{n}") for n in tiles]
    varies = [_button(job, f"JOB::variation::{n}", f"V{n}") for n in tiles]
    return [*upscales, _solo(job, f"JOB::{_REROLL}::0", emoji="🔄"), *varies]


def _single(job: Job) -> list[Button]:
    buttons = [
        _solo(job, f"JOB::{_TWICE}subtle::1", "Upscale (Subtle)", "⏫"),
        _solo(job, f"JOB::{_TWICE}creative::1", "Upscale (Creative)", "⏫"),
        _solo(job, "JOB::low_variation::1", "Vary (Subtle)", "🪄"),
        _solo(job, "JOB::high_variation::1", "Vary (Strong)", "🪄"),
        _solo(job, "Inpaint::1", "Vary (Region)", "🖌️"),
        _solo(job, f"{_PERCENT}::50::1", "Zoom Out 2x", "🔍"),
        _solo(job, f"{_PERCENT}::75::1", "Zoom Out 1.5x", "🔍"),
        _button(job, "CustomZoom", "Custom Zoom", "🔍"),
    ]
    if job.spec.width != job.spec.height:
        buttons.append(_solo(job, f"{_PERCENT}::100::1", "Make Square", "↔️"))
    arrows = {"left": "⬅️", "right": "➡️", "up": "⬆️", "down": "⬇️"}
    return buttons + [_solo(job, f"JOB::pan_{side}::1", emoji=arrows[side]) for side in arrows]


def _solo(job: Job, what: str, label: str = "", emoji: str = "") -> Button:
    return Button(custom_id=f"MJ::{what}::{job.id}::SOLO", label=label, emoji=emoji)


def _button(job: Job, what: str, label: str = "", emoji: str = "") -> Button:
    return Button(custom_id=f"MJ::{what}::{job.id}", label=label, emoji=emoji)


def _place(number: int) -> int:
    """From 0. Refusal: they are counted from 1."""
    if number < 1:
        raise Refusal("invalid_value", "Name a picture: 1 is the first.", field="index")
    return number - 1


def _unknown() -> Refusal:
    sentence = "There is no such button here. Send a customId of the task's own buttons."
    return Refusal("unknown_button", sentence, field="customId")
