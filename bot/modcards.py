"""What moderators read, each of them alone: the queue, one case, what was decided. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from bot.cards import PANEL_LIMIT, Action, Blank, Card, Colour, Form, Knob, Look, Panel, custom_id
from bot.messages import quote
from bot.naming import category_name, counted
from shared.errors import Refusal
from shared.moderation.cases import Case, Reason

QUEUE_CASES = 10
KINDS: Mapping[str, str] = {
    "prompt": "Refused prompt",
    "picture": "Withheld picture",
    "report": "Report",
    "sample": "Sample of the grey zone",
}
STATES: Mapping[str, str] = {
    "noted": "nobody asked for a review",
    "open": "waits for a moderator",
    "upheld": "upheld",
    "lifted": "lifted",
    "expired": "expired",
}
# Why somebody reports a picture: the policy's categories in the words of people.
REASONS = (
    (Reason.SEXUAL.value, "Sexual content"),
    (Reason.MINOR.value, "A minor in danger"),
    (Reason.GORE.value, "Gore or cruelty"),
    (Reason.HATE.value, "Hate"),
    (Reason.SELF_HARM.value, "Self-harm"),
    (Reason.ILLEGAL.value, "Illegal acts"),
    (Reason.PUBLIC_FIGURE.value, "A real person, without consent"),
    (Reason.OTHER.value, "Something else"),
)
NO_PICTURE = "None: nothing was drawn."
NOT_KEPT = "Not kept: what the filter withholds is not stored."
GONE = "Withdrawn, or not there any more."
UNREADABLE = "Its file cannot be read at the moment."
VEILED = "Shown to nobody: that holds for minors and for known pictures, moderators included."
BLURRED = "Blurred. **Reveal** shows it to you alone, and your name is written down."


def short(case_id: UUID) -> str:
    return case_id.hex[:8]


def ago(moment: datetime | None) -> str:
    """As Discord tells it in the reader's own time."""
    return f"<t:{int(moment.timestamp())}:R>" if moment else "never"


def queue_card(cases: Sequence[Case], waiting: Mapping[str, int]) -> Card:
    """The most urgent first, each with its button."""
    if not cases:
        return _panel("Nothing waits for you.", Colour.DONE, title="Review queue")
    shown = cases[:QUEUE_CASES]
    lines = [_queued(number, case) for number, case in enumerate(shown, start=1)]
    knobs = [
        Knob(str(number), custom_id(Action.REVIEW, case.id), Look.MAIN if case.hard else Look.PLAIN)
        for number, case in enumerate(shown, start=1)
    ]
    rows = tuple(tuple(knobs[start : start + 5]) for start in range(0, len(knobs), 5))
    counts = [counted(count, kind) for kind, count in sorted(waiting.items()) if count]
    footer = f"Waiting: {', '.join(counts)}. A number opens its case."
    return _panel("\n".join(lines), Colour.RUNNING, title="Review queue", footer=footer, rows=rows)


def _queued(number: int, case: Case) -> str:
    marks = " · **appealed**" if case.appeal is not None and case.kind != "report" else ""
    urgent = "🔴 " if case.veiled else ""
    return (
        f"`{number}` {urgent}**{KINDS[case.kind]}** · {category_name(case.category)}{marks}"
        f" · {ago(case.opened_at or case.at)} · `{short(case.id)}`"
    )


def case_label(case: Case) -> str:
    """For the picker of /mod review: at most 100 characters, and never what was typed."""
    return f"{short(case.id)} · {KINDS[case.kind]} · {category_name(case.category)} · {case.state}"[
        :100
    ]


def review_card(
    case: Case, name: str, *, prompt: str = "", picture: str = NO_PICTURE, strikes: int = 0
) -> Card:
    """`prompt` is the job's, `picture` says what became of it, `strikes` is the weight that counts now."""
    lines = [
        *_accusation(case),
        ("Asked for by", f"{quote(name, 40)} · strikes that count: {strikes}"),
        ("When", ago(case.at)),
        ("Prompt", _veiled_text(case.prompt or prompt)),
        *([("Fired on", _veiled_text(case.words))] if case.words else []),
        *([(_voice(case), f"“{quote(case.appeal, 600)}”")] if case.appeal else []),
        ("Picture", picture),
        *([("Decided", _decision(case))] if case.decided_at else []),
    ]
    text = "\n".join(f"**{label}** {told}" for label, told in lines)
    title = f"{KINDS[case.kind]} {short(case.id)}"
    colour = Colour.FAILED if case.veiled else Colour.STOPPED
    footer = "" if case.state == "open" else f"This case {STATES[case.state]}."
    return _panel(text, colour, title=title, footer=footer, rows=_review_rows(case, picture))


def _accusation(case: Case) -> list[tuple[str, str]]:
    name = category_name(case.category)
    if case.kind == "report":
        return [("Reported for", name)]
    score = f" with a score of {case.score:.2f}" if case.score else ""
    return [("Category", name), ("Rule", f"`{case.rule or 'none'}`{score}")]


def _veiled_text(text: str | None) -> str:
    return f"||{quote(text, 1_000)}||" if text else "no longer kept"


def _voice(case: Case) -> str:
    return "The reporter says" if case.kind == "report" else "The appeal says"


def _decision(case: Case) -> str:
    note = f": “{quote(case.note, 300)}”" if case.note else ""
    return f"{STATES[case.state]} {ago(case.decided_at)}{note}"


def _review_rows(case: Case, picture: str) -> tuple[tuple[Knob, ...], ...]:
    following = Knob("Next", custom_id(Action.NEXT, case.id))
    if case.state not in ("open", "noted"):
        return ((following,),)
    decide = (
        *([Knob("Reveal", custom_id(Action.REVEAL, case.id))] if picture is BLURRED else []),
        *([] if case.hard else _lifting(case)),
        Knob("Uphold", custom_id(Action.UPHOLD, case.id), Look.DANGER),
        following,
    )
    person = (
        Knob("Warn…", custom_id(Action.WARN, case.id)),
        Knob("Strike…", custom_id(Action.STRIKE, case.id)),
        Knob("Ban…", custom_id(Action.BAN, case.id), Look.DANGER),
    )
    return decide, person


def _lifting(case: Case) -> list[Knob]:
    label = "Lift" if case.kind in ("prompt", "picture") else "Approve"
    return [
        Knob(label, custom_id(Action.LIFT, case.id), Look.GOOD),
        Knob(f"{label} with a note…", custom_id(Action.NOTE, case.id)),
    ]


def closed_card(case: Case, told: str) -> Card:
    """In place of the case: what was decided, and the way on."""
    title = f"{KINDS[case.kind]} {short(case.id)}: {STATES[case.state]}"
    rows = ((Knob("Next", custom_id(Action.NEXT, case.id), Look.MAIN),),)
    return _panel(told, Colour.DONE, title=title, rows=rows)


def told_of(case: Case, refusal: Refusal | None, *, reached: bool | None) -> str:
    """What a decision led to. `reached`: whether its author was told; None when they were not written to."""
    parts = [_OUTCOMES[case.kind == "prompt", case.kind in ("report", "sample"), case.state]]
    if refusal is not None:
        parts = [f"The block is lifted, but nothing is drawn: {refusal.sentence}"]
    if reached is not None:
        parts.append("They were told." if reached else "They take no direct messages.")
    return " ".join(parts)


# (a prompt, a delivered picture, state)
_OUTCOMES: Mapping[tuple[bool, bool, str], str] = {
    (
        True,
        False,
        "lifted",
    ): "The block is lifted, its strike is taken back, and the prompt is drawn.",
    (True, False, "upheld"): "The prompt stays refused.",
    (False, False, "lifted"): "The block is lifted and its strike is taken back.",
    (False, False, "upheld"): "The picture stays withheld.",
    (False, True, "lifted"): "The picture stays.",
    (False, True, "upheld"): "The picture is withdrawn: its message says so, its links are dead.",
}


def revealed_card(case: Case) -> Card:
    text = "Click the picture to see it. That you revealed it is written down."
    return _panel(text, Colour.STOPPED, title=f"{KINDS[case.kind]} {short(case.id)}, as it is")


# --- forms ---------------------------------------------------------------------------------------


def appeal_form(case_id: UUID) -> Form:
    hint = "What did you mean to draw? You may leave this empty."
    words = Blank("text", "Why is the rule wrong here?", hint, long=True, required=False)
    return Form("Appeal", custom_id(Action.APPEAL, case_id), (words,))


def report_form(job_id: UUID) -> Form:
    why = Blank("reason", "What is wrong with it?", "Choose one", choices=REASONS)
    more = Blank("text", "What should a moderator know?", long=True, required=False)
    return Form("Report this picture", custom_id(Action.REPORT, job_id), (why, more))


def note_form(case: UUID) -> Form:
    words = Blank("text", "A note to the person", "They will read this.", long=True, most=500)
    return Form("Lift with a note", custom_id(Action.NOTE, case), (words,))


def discipline_form(action: Action, case_id: UUID) -> Form:
    """For the person that a case is about."""
    reason = Blank("reason", "Reason", "They will read this.", long=True, most=500)
    more = {
        Action.STRIKE: [Blank("weight", "Weight from 1 to 10", "1", required=False, most=2)],
        Action.BAN: [Blank("days", "For how many days", "Empty: for ever", required=False, most=4)],
    }
    title = {Action.WARN: "Warn", Action.STRIKE: "Strike", Action.BAN: "Ban"}[action]
    blanks = (reason, *more.get(action, []))
    return Form(f"{title} this person", custom_id(action, case_id), blanks)


# --- what the others are told --------------------------------------------------------------------


def done_card(text: str, *, title: str = "Done", footer: str = "") -> Card:
    return _panel(text, Colour.DONE, title=title, footer=footer)


def appealed_card() -> Card:
    text = "A moderator will look at it, and a direct message will tell you what came of it."
    return _panel(text, Colour.DONE, title="Your appeal is in line")


def reported_card() -> Card:
    text = (
        "Thank you. A moderator will look at it. Whose picture it is will not hear who reported it."
    )
    return _panel(text, Colour.DONE, title="Reported")


def _panel(
    text: str,
    colour: Colour,
    *,
    title: str,
    footer: str = "",
    rows: tuple[tuple[Knob, ...], ...] = (),
) -> Card:
    cut = text if len(text) <= PANEL_LIMIT else text[: PANEL_LIMIT - 1] + "…"
    return Card(panel=Panel(cut, colour, title=title, footer=footer), rows=rows)
