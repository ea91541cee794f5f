"""Pictures of a prompt: drawn over, kept to, or read by an IP-Adapter; what nothing here can do is refused."""

from dataclasses import replace

import pytest

from shared.adapters import Adapter
from shared.catalog import Catalog, Checkpoint, read_catalog
from shared.config import SHARED
from shared.errors import Fault, Refusal
from shared.imageweight import LEAST_BLENDED, strength_of
from shared.places import Folder
from shared.plans import read_plans
from shared.prompt import parse
from shared.spec import ControlUse, ReferenceUse, RenderKind, RenderSpec, Source, Sources, resolve
from shared.weights import WeightedText

CATALOG = read_catalog(SHARED / "catalog.toml")
POSTCARDS = CATALOG.get("postcards")
PRO = read_plans(SHARED / "plans.toml").plan("pro")
LINK = "https://a.example/{}.png"
ONE, TWO, THREE = (Source(f"a/1/{name}.png", name * 64) for name in "123")
ANY = ("images", "styles", "characters")


def reader(name: str = "look", serves: tuple[str, ...] = ANY, weight: float = 0.8) -> Adapter:
    return replace(
        CATALOG.adapters["sepia"],
        name=name,
        kind="ip-adapter",
        encoder=Folder(SHARED),
        serves=serves,
        weight=weight,
    )


def shelf(*readers: Adapter) -> Catalog:
    return replace(CATALOG, adapters={**CATALOG.adapters, **{one.name: one for one in readers}})


def spec_of(
    text: str,
    *images: Source,
    catalog: Catalog = CATALOG,
    checkpoint: Checkpoint = POSTCARDS,
    styles: tuple[Source, ...] = (),
    characters: tuple[Source, ...] = (),
) -> RenderSpec:
    prompt = parse(text, attached=len(images))
    sources = Sources(images=images, styles=styles, characters=characters)
    return resolve(prompt, checkpoint, plan=PRO, seed=1, catalog=catalog, sources=sources)


def begun(spec: RenderSpec) -> tuple[RenderKind, tuple[Source, ...], float]:
    return spec.kind, spec.sources, spec.strength


@pytest.mark.parametrize(
    ("text", "images", "expected"),
    [
        ("a cat", (), (RenderKind.TEXT, 1.0)),
        ("a cat", (ONE,), (RenderKind.IMAGE, strength_of(1))),
        ("a cat --iw 3", (ONE,), (RenderKind.IMAGE, strength_of(3))),
        ("a cat --iw .5", (ONE,), (RenderKind.IMAGE, strength_of(0.5))),
        ("a cat", (ONE, TWO), (RenderKind.BLEND, strength_of(1, pictures=2))),
        ("a cat --iw 3", (ONE, TWO, THREE), (RenderKind.BLEND, LEAST_BLENDED)),
        ("", (ONE, TWO), (RenderKind.BLEND, strength_of(1, pictures=2))),
    ],
)
def test_without_an_ip_adapter_pictures_are_drawn_over(
    text: str, images: tuple[Source, ...], expected: tuple[RenderKind, float]
) -> None:
    kind, strength = expected
    assert begun(spec_of(text, *images)) == (kind, images, round(strength, 4))


def test_a_picture_that_weighs_nothing_is_left_out() -> None:
    assert begun(spec_of("a cat --iw 0", ONE)) == (RenderKind.TEXT, (), 1.0)
    with pytest.raises(Refusal, match="--iw 0 leaves nothing"):
        spec_of("--iw 0", ONE, TWO)


def test_pictures_alone_have_empty_words() -> None:
    assert spec_of("", ONE, TWO).texts == (WeightedText(""),)


def test_an_ip_adapter_reads_pictures_beside_words_and_stronger_by_weight() -> None:
    spec = spec_of("a cat --iw 0.5", ONE, TWO, catalog=shelf(reader()))
    assert begun(spec) == (RenderKind.TEXT, (), 1.0)
    assert spec.references == (ReferenceUse("look", ONE, 0.4), ReferenceUse("look", TWO, 0.4))
    assert spec_of("a cat", ONE, catalog=shelf(reader())).references[0].scale == 0.8
    assert spec_of("a cat --iw 3", ONE, catalog=shelf(reader())).references[0].scale == 1.2
    assert spec_of("a cat --iw 0", ONE, catalog=shelf(reader())).references == ()
    assert spec_of("", ONE, TWO, catalog=shelf(reader())).kind is RenderKind.BLEND


def test_an_ip_adapter_that_serves_others_only_is_not_used() -> None:
    faces = reader("faces", ("characters",))
    assert spec_of("a cat", ONE, catalog=shelf(faces)).kind is RenderKind.IMAGE
    named = f"a cat --sref {LINK.format('s')} --cref {LINK.format('c')}"
    spec = spec_of(named, catalog=shelf(faces, reader()), styles=(ONE,), characters=(TWO,))
    assert [(use.name, use.source) for use in spec.references] == [("look", ONE), ("faces", TWO)]


def test_style_links_share_the_style_weight_with_codes() -> None:
    text = f"a cat --sref {LINK.format('s')}::3 7 --sw 50"
    spec = spec_of(text, catalog=shelf(reader()), styles=(ONE,))
    assert spec.references == (ReferenceUse("look", ONE, round(0.8 * 0.5 * 0.75, 4)),)
    assert max(use.weight for use in spec.loras) == pytest.approx(0.5 * 0.25)
    assert spec.style_codes == (7,)


@pytest.mark.parametrize(("kept", "scale"), [("", 0.8), ("--cw 100", 0.8), ("--cw 0", 0.2)])
def test_a_character_is_kept_by_its_weight(kept: str, scale: float) -> None:
    text = f"a cat --cref {LINK.format('c')} {kept}"
    (use,) = spec_of(text, catalog=shelf(reader()), characters=(ONE,)).references
    assert (use.name, use.source) == ("look", ONE)
    assert use.scale == pytest.approx(scale)


@pytest.mark.parametrize(
    ("text", "field", "named"),
    [
        (f"--sref {LINK.format('s')}", "style_refs", "a style code, or --style: sepia, neon."),
        (f"--cref {LINK.format('c')}", "character_refs", "in front of the text instead."),
    ],
)
def test_references_that_nothing_here_reads_are_refused(text: str, field: str, named: str) -> None:
    with pytest.raises(Refusal) as refused:
        spec_of(
            f"a cat {text}",
            styles=(ONE,) if "sref" in text else (),
            characters=(ONE,) if "cref" in text else (),
        )
    assert (refused.value.code, refused.value.field) == ("unable", field)
    assert "no IP-Adapter here fits it" in refused.value.sentence
    assert named in refused.value.sentence


@pytest.mark.parametrize("name", ["edges", "EDGES", "canny"])
def test_a_control_keeps_to_the_first_picture(name: str) -> None:
    spec = spec_of(f"a cat --control {name}", ONE)
    assert spec.controls == (ControlUse("edges", ONE, 1.0),)
    assert begun(spec) == (RenderKind.TEXT, (), 1.0)
    more = spec_of(f"a cat --control {name} --iw 2", ONE, TWO)
    assert begun(more) == (RenderKind.IMAGE, (TWO,), strength_of(2))


@pytest.mark.parametrize(
    ("text", "images", "code", "named"),
    [
        ("a cat --control edge", (ONE,), "unknown_adapter", "These fit: edges."),
        ("a cat --control sepia", (ONE,), "unknown_adapter", "no ControlNet “sepia”"),
        ("a cat --control edges --iw 2", (ONE,), "missing_reference", "Add a second picture"),
    ],
)
def test_a_control_that_cannot_be_is_refused(
    text: str, images: tuple[Source, ...], code: str, named: str
) -> None:
    with pytest.raises(Refusal) as refused:
        spec_of(text, *images)
    assert refused.value.code == code
    assert named in refused.value.sentence


def test_a_control_of_another_family_is_refused() -> None:
    with pytest.raises(Refusal, match="made for another kind of checkpoint"):
        spec_of("a cat --control edges", ONE, checkpoint=replace(POSTCARDS, family="sdxl"))


def test_a_checkpoint_that_takes_no_picture_says_so() -> None:
    with pytest.raises(Refusal) as refused:
        spec_of("a cat", ONE, checkpoint=replace(POSTCARDS, cannot=("pictures",)))
    assert (refused.value.code, refused.value.field) == ("unable", "images")


@pytest.mark.parametrize(
    "text",
    [
        f"{LINK.format('a')} a cat",
        f"a cat --sref {LINK.format('s')}",
        f"a cat --cref {LINK.format('c')}",
    ],
)
def test_pictures_that_nobody_fetched_are_our_fault(text: str) -> None:
    with pytest.raises(Fault, match="not fetched"):
        spec_of(text, catalog=shelf(reader()))


def test_stop_counts_the_steps_that_are_drawn() -> None:
    assert spec_of("a cat --stop 20").stop == 0.2
    with pytest.raises(Refusal, match="--stop 20 of 5 steps"):
        spec_of("a cat --stop 20 --iw 3", ONE)
