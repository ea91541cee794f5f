"""What each button makes of a picture: the recipe, the kind of job, and how its verb was meant. Pure."""

from dataclasses import replace

from shared import lineage
from shared.abilities import require_ability
from shared.asking.parents import Parent
from shared.catalog import Checkpoint
from shared.errors import Refusal
from shared.framing import Direction
from shared.jobs import JobKind
from shared.lineage import How, Upscale
from shared.orders import Ask
from shared.preferences import Preferences
from shared.spec import RenderKind, RenderSpec, Source

REMIX = "remix"  # before a manner: the words were changed
KINDS = {
    "vary": JobKind.VARY,
    "upscale": JobKind.UPSCALE,
    "zoom": JobKind.ZOOM,
    "pan": JobKind.PAN,
    "square": JobKind.SQUARE,
    "region": JobKind.REGION,
}
REMIXABLE = frozenset({"vary", "reroll", "zoom", "pan", "square", "region"})
LONGEST_WORDS = 200  # of what names a region


def kind_of(ask: Ask, parent: Parent) -> JobKind:
    """A reroll is what its parent was."""
    return parent.job.kind if ask.verb == "reroll" else KINDS[ask.verb]


def index_of(ask: Ask, parent: Parent) -> int | None:
    """Which picture of the parent it is of; a reroll is of the one that its parent was of."""
    return parent.job.parent_index if ask.verb == "reroll" else parent.index


def manner_of(ask: Ask, chosen: Preferences, parent: Parent) -> str:
    meant = {
        "vary": (ask.manner or chosen.variability.value),
        "zoom": f"{ask.factor:g}x",
        "reroll": parent.job.manner.removeprefix(REMIX).strip(),
    }.get(ask.verb, ask.manner)
    return f"{REMIX} {meant}".strip() if ask.text.strip() else meant


def check(ask: Ask) -> None:
    """Refusal for an ask that no button of ours makes."""
    if ask.verb not in (*KINDS, "reroll"):
        raise Refusal("unknown_verb", f"There is nothing called {ask.verb[:40]!r}.", field="verb")
    if ask.text.strip() and ask.verb not in REMIXABLE:
        raise Refusal("not_remixable", "An upscale draws no new words.", field="prompt")
    check_words(ask)


def check_words(ask: Ask) -> None:
    if len(ask.words) > LONGEST_WORDS:
        sentence = f"A region is named in {LONGEST_WORDS} characters at most, like: the red hat."
        raise Refusal("region_too_long", sentence, field="words")


def remixed(parent: RenderSpec, fresh: RenderSpec) -> RenderSpec:
    """The new recipe of words, begun as the parent was. Of another model or size nothing of the parent's own
    noise can be used, and `begins_alike` is False."""
    if not begins_alike(parent, fresh):
        return fresh
    return replace(
        fresh,
        seed=parent.seed,
        variation=parent.variation,
        kind=parent.kind,
        sources=parent.sources,
        shares=parent.shares,
        strength=parent.strength,
        mask=parent.mask,
        region=parent.region,
        placement=parent.placement,
    )


def shaped(ask: Ask, parent: RenderSpec, fresh: RenderSpec) -> RenderSpec:
    """New words keep the shape of the picture that they are for; only a reroll of words alone may draw
    another one. Refusal for another model where what is rerolled began from a picture."""
    from_words = ask.verb == "reroll" and parent.kind is RenderKind.TEXT
    other = parent.checkpoint != fresh.checkpoint
    if other and ask.verb == "reroll" and not from_words:
        sentence = (
            "These go on from a picture, so their model stays. Leave out --model and --version."
        )
        raise Refusal("model_stays", sentence, field="model")
    if other or from_words:
        return fresh
    return replace(fresh, width=parent.width, height=parent.height)


def begins_alike(parent: RenderSpec, fresh: RenderSpec) -> bool:
    def shape(spec: RenderSpec) -> tuple[str, int, int]:
        return spec.checkpoint, spec.width, spec.height

    return shape(parent) == shape(fresh)


def offspring(
    ask: Ask,
    parent: Parent,
    spec: RenderSpec,
    *,
    checkpoint: Checkpoint,
    seed: int,
    manner: str,
    mask: Source | None,
) -> RenderSpec:
    """`spec` is the parent's recipe, or what new words made of it."""
    index, native = parent.index, begins_alike(parent.job.spec, spec)
    match ask.verb:
        case "reroll":
            return lineage.reroll_spec(spec, seed) if native else replace(spec, seed=seed)
        case "vary":
            how = How(_chosen(manner.split()[-1], tuple(How), field="manner"))
            return _varied(spec, parent, how=how, seed=seed, native=native)
        case "upscale":
            return _enlarged(ask, parent, checkpoint)
        case "zoom":
            return lineage.zoom_spec(spec, index, parent.source, factor=ask.factor, seed=seed)
        case "pan":
            return lineage.pan_spec(
                spec,
                index,
                parent.source,
                direction=_direction(ask.manner),
                checkpoint=checkpoint,
                seed=seed,
            )
        case "square":
            return lineage.square_spec(spec, index, parent.source, checkpoint=checkpoint, seed=seed)
    return _region(ask, parent, spec, checkpoint=checkpoint, seed=seed, mask=mask)


def _varied(spec: RenderSpec, parent: Parent, *, how: How, seed: int, native: bool) -> RenderSpec:
    """From its noise where the recipe has it, else from the picture itself."""
    if not native:
        strength = lineage.REDRAWN[how]
        return lineage.image_spec(replace(spec, seed=seed), parent.source, strength=strength)
    source = parent.source if spec.kind is not RenderKind.TEXT else None
    return lineage.vary_spec(spec, parent.index, seed=seed, how=how, source=source)


def _enlarged(ask: Ask, parent: Parent, checkpoint: Checkpoint) -> RenderSpec:
    spec, index, source = parent.job.spec, parent.index, parent.source
    if not ask.manner:
        return lineage.upscale_spec(spec, index, source, checkpoint=checkpoint)
    how = Upscale(_chosen(ask.manner, tuple(one.value for one in Upscale), field="manner"))
    return lineage.upscale_latent_spec(spec, index, source, checkpoint=checkpoint, how=how)


def _region(
    ask: Ask,
    parent: Parent,
    spec: RenderSpec,
    *,
    checkpoint: Checkpoint,
    seed: int,
    mask: Source | None,
) -> RenderSpec:
    index, source = parent.index, parent.source
    if mask is not None:
        return lineage.inpaint_spec(spec, index, source, mask=mask, seed=seed)
    require_ability(checkpoint, "region", field="words")
    return lineage.region_spec(spec, index, source, words=ask.words, seed=seed)


def _direction(manner: str) -> Direction:
    return Direction(_chosen(manner, tuple(one.value for one in Direction), field="manner"))


def _chosen(value: str, choices: tuple[str, ...], *, field: str) -> str:
    if value not in choices:
        named = ", ".join(choices)
        raise Refusal("invalid_value", f"{value[:40]!r} is none of: {named}.", field=field)
    return value
