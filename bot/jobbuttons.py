"""The buttons under a job's pictures. Ids name job and picture; what they may do, the desk decides. Pure."""

from uuid import UUID

from bot.cards import Action, Knob, Look, Rows, custom_id
from shared.jobs import Job, JobKind

MOST_TILES = 4
HEART = "❤️"
REROLL = "🔄"
_ENLARGE = ((Action.FINER, "Upscale (Subtle)"), (Action.CREATIVE, "Upscale (Creative)"))
_VARY = (
    (Action.SUBTLE, "Vary (Subtle)"),
    (Action.STRONG, "Vary (Strong)"),
    (Action.REGION, "Vary (Region)"),
)
_FRAME = (
    (Action.ZOOM_MORE, "Zoom Out 2x"),
    (Action.ZOOM_LESS, "Zoom Out 1.5x"),
    (Action.ZOOM_CUSTOM, "Custom Zoom"),
)
_PAN = ((Action.LEFT, "⬅️"), (Action.RIGHT, "➡️"), (Action.UP, "⬆️"), (Action.DOWN, "⬇️"))


def cancel_row(job: Job) -> Rows:
    return ((Knob("Cancel", custom_id(Action.CANCEL, job.id), Look.DANGER),),)


def grid_rows(job: Job, *links: Knob) -> Rows:
    tiles = range(min(job.spec.images, MOST_TILES))
    upscales = [Knob(f"U{i + 1}", custom_id(Action.UPSCALE, job.id, i)) for i in tiles]
    varies = [Knob(f"V{i + 1}", custom_id(Action.VARY, job.id, i)) for i in tiles]
    upscales.append(Knob("", custom_id(Action.REROLL, job.id), emoji=REROLL))
    return tuple(upscales), (*varies, *links)


def single_rows(job: Job, *links: Knob) -> Rows:
    """Its verbs go on from the grid it was cut from: that holds the noise and the tile to begin with."""
    source, index = job.parent_id or job.id, job.parent_index or 0
    frame = _knobs(_FRAME, source, index)
    if job.spec.width != job.spec.height:
        frame += (Knob("Make Square", custom_id(Action.SQUARE, source, index)),)
    pans = tuple(Knob("", custom_id(action, source, index), emoji=arrow) for action, arrow in _PAN)
    heart = Knob("", custom_id(Action.FAVOURITE, job.id), emoji=HEART)
    return (
        _knobs(_ENLARGE, source, index),
        _knobs(_VARY, source, index),
        frame,
        (*pans, heart),
        *((links,) if links else ()),
    )


def single(job: Job) -> bool:
    return job.kind is JobKind.UPSCALE


def _knobs(labels: tuple[tuple[Action, str], ...], source: UUID, index: int) -> tuple[Knob, ...]:
    return tuple(Knob(label, custom_id(action, source, index)) for action, label in labels)
