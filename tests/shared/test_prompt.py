"""The grammar: what people type, what it means, and a sentence with the fix where it means nothing."""

import random
import re
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Refusal
from shared.parameters import BY_NAME, PARAMETERS, Kind
from shared.permutations import expand
from shared.plans import Speed, Visibility
from shared.prompt import (
    Prompt,
    WeightedText,
    format_prompt,
    parameter_help,
    parse,
    readable,
    with_codes,
)
from shared.references import LoraChoice, StyleRef
from shared.weights import unwanted, wanted


def refusal(text: str, *, longest: int = 2000) -> Refusal:
    with pytest.raises(Refusal) as refused:
        parse(text, longest=longest)
    return refused.value


def parts(text: str) -> list[tuple[str, float]]:
    return [(part.text, part.weight) for part in parse(text).texts]


def test_plain_text_is_one_part_and_says_nothing_else() -> None:
    assert parse("  a red   sailboat\non the sea ") == Prompt(
        (WeightedText("a red sailboat on the sea"),)
    )


PICTURE, OTHER = "https://a.example/cat.png", "https://b.example/sea.jpg?ex=1&is=2"


def test_every_parameter_at_once_in_any_order() -> None:
    prompt = parse(
        f"{PICTURE} a boat --turbo --no birds, rain --cfg 4.5 --ar 3:2 --seed 4294967295 --stealth"
        " --sampler euler-a --q .5 --stop 80 --r 3 --no clouds --c 5 --weird 9 --s 250 --tile --iw .5 --draft"
        f" --style Sepia --sref 7::2 random {OTHER} --sw 50 --cref {PICTURE} --cw 0 --lora neon:-.5 ink"
        " --control edges --v 6.1 --enhance"
    )
    assert prompt == Prompt(
        texts=(WeightedText("a boat"),),
        images=(PICTURE,),
        negative=("birds", "rain", "clouds"),
        aspect=(3, 2),
        seed=4294967295,
        chaos=5,
        weird=9,
        stylize=250,
        style="sepia",
        tile=True,
        image_weight=0.5,
        style_refs=(StyleRef("7", 2), StyleRef("random"), StyleRef(OTHER)),
        style_weight=50,
        character_refs=(PICTURE,),
        character_weight=0,
        loras=(LoraChoice("neon", -0.5), LoraChoice("ink")),
        control="edges",
        version="6.1",
        quality=0.5,
        draft=True,
        guidance=4.5,
        sampler="euler-a",
        stop=80,
        repeat=3,
        enhance=True,
        speed=Speed.TURBO,
        visibility=Visibility.STEALTH,
    )


@pytest.mark.parametrize(
    ("typed", "field", "value"),
    [
        ("--aspect 2:3", "aspect", (2, 3)),
        ("--AR 139:100", "aspect", (139, 100)),
        ("—ar 3:2", "aspect", (3, 2)),
        ("–ar 3:2", "aspect", (3, 2)),
        ("——ar 3:2", "aspect", (3, 2)),
        ("---ar 3:2", "aspect", (3, 2)),
        ("−−ar 3:2", "aspect", (3, 2)),
        ("‑‑seed 7", "seed", 7),
        ("--seed 0", "seed", 0),
        ("--seed “7”", "seed", 7),
        ("--sampler “DDIM”", "sampler", "ddim"),
        ("--guidance 7", "guidance", 7.0),
        ("--guidance 1.", "guidance", 1.0),
        ("--quality 2", "quality", 2.0),
        ("--quality 0.25", "quality", 0.25),
        ("--q .5", "quality", 0.5),
        ("--stop 10", "stop", 10),
        ("--stop 100", "stop", 100),
        ("--repeat 1", "repeat", 1),
        ("--relax", "speed", Speed.RELAX),
        ("--fast --fast", "speed", Speed.FAST),
        ("--seed 7 --seed 7", "seed", 7),
        ("--no red birds,, red birds,rain,", "negative", ("red birds", "rain")),
        ("--no “red birds”, 'n' roll", "negative", ("red birds", "'n' roll")),
        (r"--no salt\, pepper, \{x\}", "negative", ("salt, pepper", "{x}")),
        ("--chaos 100", "chaos", 100),
        ("--w 3000", "weird", 3000),
        ("—s 0", "stylize", 0),
        ("--raw", "raw", True),
        ("--style raw", "raw", True),
        ("--raw --style RAW", "raw", True),
        ("--hires", "hires", 2.0),
        ("--hires 1.5", "hires", 1.5),
        ("--version 1", "version", "1"),
        ("--v newest", "version", "newest"),
        ("--niji", "version", "niji"),
        ("--niji 6", "version", "niji 6"),
        ("--niji --niji", "version", "niji"),
        ("--model Dream-XL", "model", "dream-xl"),
        ("--public", "visibility", Visibility.PUBLIC),
        ("--sref RANDOM", "style_refs", (StyleRef("random"),)),
        ("--sref 007, 7, 8::.5", "style_refs", (StyleRef("7"), StyleRef("8", 0.5))),
        ("--sref 7 --sref 8::2", "style_refs", (StyleRef("7"), StyleRef("8", 2))),
        (f"--sref {PICTURE}::2", "style_refs", (StyleRef(PICTURE, 2),)),
        (f"--cref <{PICTURE}> {OTHER}", "character_refs", (PICTURE, OTHER)),
        ("--lora sepia --lora neon:2", "loras", (LoraChoice("sepia"), LoraChoice("neon", 2))),
        ("--lora sepia:1 sepia:1", "loras", (LoraChoice("sepia", 1),)),
    ],
)
def test_one_parameter(typed: str, field: str, value: object) -> None:
    assert getattr(parse(f"a boat {typed}"), field) == value


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("hot:: dog", [("hot", 1), ("dog", 1)]),
        ("hot::dog", [("hot", 1), ("dog", 1)]),
        ("space::2 ship", [("space", 2), ("ship", 1)]),
        ("tulips:: red::-.5", [("tulips", 1), ("red", -0.5)]),
        ("hot dog::1.5 animal::-1", [("hot dog", 1.5), ("animal", -1)]),
        ("cup::2", [("cup", 2)]),
        ("cup ::2 cake ::", [("cup", 2), ("cake", 1)]),
        ("a note: ::2 b", [("a note:", 2), ("b", 1)]),
        ("at 10:30 in Rome", [("at 10:30 in Rome", 1)]),
    ],
)
def test_weights(typed: str, expected: list[tuple[str, float]]) -> None:
    assert parts(typed) == expected


def test_parts_of_negative_weight_are_unwanted() -> None:
    texts = parse("tulips:: red::-.5 leaf::0").texts
    assert (wanted(texts), unwanted(texts)) == (["tulips", "leaf"], ["red"])


@pytest.mark.parametrize(
    "text",
    [
        "a well-known cat - sitting",
        "a cat — sitting — on a mat",
        "Paris–Dakar at –5 degrees",
        "slow—fast cars",
        "rock-n-roll -5 C",
        "a no-entry sign",
        "小猫 on the moon 🌙",
        "“quoted” «words»",
        "semi;colon, comma. 100%",
    ],
)
def test_dashes_and_signs_that_belong_to_the_text(text: str) -> None:
    assert parse(text) == Prompt((WeightedText(text),))


def test_invisible_and_reordering_characters_go_and_accents_compose() -> None:
    assert readable("a\u200bb\u202ec\x00d\ufeffe\u00ad\ud800\u2066") == "abcde"
    assert readable("cafe\u0301") == "caf\u00e9"
    assert readable("a\tb\u2028c\u3000d") == "a b c d"
    assert parse("a bo\u200bat --se\u200bed 7").seed == 7


@pytest.mark.parametrize(
    ("text", "code", "field", "named"),
    [
        ("", "empty_prompt", "prompt", "nothing to draw"),
        (" \n\u200b ", "empty_prompt", "prompt", "nothing to draw"),
        ("--ar 3:2", "empty_prompt", "prompt", "--ar 3:2"),
        ("--no birds", "empty_prompt", "prompt", "nothing to draw"),
        ("x" * 2001, "prompt_too_long", "prompt", "2,001"),
        ("x" * 6000, "prompt_too_long", "prompt", "4,000"),
        ("a cat --aspct 3:2", "unknown_parameter", None, "--ar 3:2"),
        ("a cat --sed 7", "unknown_parameter", None, "Did you mean --seed 7"),
        ("a cat --xyzzy", "unknown_parameter", None, "/help names all"),
        ("a cat --xyzzy", "unknown_parameter", None, "character 7"),
        ("a cat -- sitting", "unknown_parameter", None, "no name"),
        ("a cat --", "unknown_parameter", None, "no name"),
        ("a cat —sitting", "unknown_parameter", None, "needs a space behind it"),
        ("a cat --ar16:9", "invalid_value", "aspect", "Write --ar 16:9"),
        ("a cat --ar=16:9", "invalid_value", "aspect", "Write --ar 16:9"),
        ("a cat --q.5", "invalid_value", "quality", "Write --q .5"),
        ("a cat --turbo, please", "invalid_value", "speed", "Write --turbo"),
        ("a cat --ar", "missing_value", "aspect", "character 7"),
        ("a cat --ar --seed 7", "missing_value", "aspect", "--ar 3:2"),
        ("a cat --no", "missing_value", "negative", "birds"),
        ("a cat --no ,", "invalid_value", "negative", "commas"),
        ("a cat --no a::2 b", "invalid_value", "negative", "a::2 b"),
        ("a cat --ar 16/9", "invalid_value", "aspect", "Did you mean --ar 16:9"),
        ("a cat --ar 16 : 9", "invalid_value", "aspect", "Did you mean --ar 16:9"),
        ("a cat --ar 1.39:1", "invalid_value", "aspect", "whole numbers"),
        ("a cat --ar 0:1", "invalid_value", "aspect", "0:1"),
        ("a cat --ar 3:2, --seed 7", "invalid_value", "aspect", "Did you mean --ar 3:2"),
        ("a cat --seed -1", "invalid_value", "seed", "4294967295"),
        ("a cat --seed 4294967296", "invalid_value", "seed", "4294967295"),
        ("a cat --seed 7.5", "invalid_value", "seed", "whole number"),
        ("a cat --seed random", "invalid_value", "seed", "“random” (character 14)"),
        ("a cat --seed " + "9" * 1900, "invalid_value", "seed", "whole number"),
        ("a cat --seed ７", "invalid_value", "seed", "whole number"),
        ("a cat --steps 0", "invalid_value", "steps", "from 1 to 150"),
        ("a cat --steps 151", "invalid_value", "steps", "from 1 to 150"),
        ("a cat --guidance 7,5", "invalid_value", "guidance", "Did you mean --guidance 7.5"),
        ("a cat --guidance 21", "invalid_value", "guidance", "from 1 to 20"),
        ("a cat --guidance nan", "invalid_value", "guidance", "from 1 to 20"),
        ("a cat --guidance 1e1", "invalid_value", "guidance", "from 1 to 20"),
        ("a cat --guidance .", "invalid_value", "guidance", "from 1 to 20"),
        ("a cat --sampler eular", "invalid_value", "sampler", "Did you mean --sampler euler"),
        ("a cat --quality 3", "invalid_value", "quality", "0.25, 0.5, 1, 2, 4"),
        ("a cat --stop 9", "invalid_value", "stop", "from 10 to 100"),
        ("a cat --stop 101", "invalid_value", "stop", "from 10 to 100"),
        ("a cat --stop 50.5", "invalid_value", "stop", "whole number"),
        ("a cat --stop 80%", "invalid_value", "stop", "Did you mean --stop 80?"),
        ("a cat --stop", "missing_value", "stop", "--stop 80"),
        ("a cat --repeat 0", "invalid_value", "repeat", "from 1 to 40"),
        ("a cat --turbo --relax", "conflicting_speed", "speed", "--turbo"),
        ("a cat --turbo --relax", "conflicting_speed", "speed", "--relax"),
        ("a cat --seed 7 --seed 8", "repeated_parameter", "seed", "“--seed 7” at character 7"),
        ("a cat --ar 3:2 --aspect 2:3", "repeated_parameter", "aspect", "--aspect 2:3"),
        ("a cat --ar 3:2 on a mat", "text_after_parameters", "prompt", "“on a mat” at character 16"),
        ("a cat --turbo on a mat", "text_after_parameters", "prompt", "“on a mat” at character 15"),
        ("a cat --ar 3:2--seed 7", "misspelt_parameter", "seed", "space before"),
        ("a cat--ar 3:2", "misspelt_parameter", "aspect", "space before"),
        ("a cat -seed 7", "misspelt_parameter", "seed", "two dashes"),
        ("hot:: dog::-1", "weights_not_positive", "prompt", "add up to 0"),
        ("hot::-1", "weights_not_positive", "prompt", "more than 0"),
        ("a::.1 b::.2 c::-.3", "weights_not_positive", "prompt", "more than 0"),
        ("::2 cat", "empty_part", "prompt", "character 1"),
        ("a:: :: b", "empty_part", "prompt", "no text"),
        ("a::2::3", "empty_part", "prompt", "no text"),
        ("cat::2dogs", "invalid_weight", "prompt", "“2dogs” behind :: at character 6"),
        ("cat::2, dogs", "invalid_weight", "prompt", "“2,”"),
        ("cat::101 dogs", "invalid_weight", "prompt", "100"),
        (":: ".join("abcdefghijklmnopq"), "too_many_parts", "prompt", "16"),
        ("a {red, green} bird", "unexpanded_choices", "prompt", "brace { at character 3"),
        ("a bird }", "unexpanded_choices", "prompt", "brace } at character 8"),
        (f"a cat {PICTURE}", "misplaced_link", "images", "character 7"),
        ("https://a.example/b a cat", "invalid_link", "images", "does not end in .png"),
        ("https:///b.png a cat", "invalid_link", "images", "names no host"),
        ("https://[a.png a cat", "invalid_link", "images", "is no link"),
        ("https://a.example/b.png::2 a cat", "invalid_link", "images", "does not end"),
        (f"{PICTURE} https://a.example/ a cat", "invalid_link", "images", "at character 27"),
        (PICTURE, "picture_alone", "prompt", "second picture"),
        (f"{PICTURE} --ar 3:2", "picture_alone", "prompt", "character 27"),
        (" ".join([PICTURE] * 6) + " a cat", "too_many_images", "images", "is number 6"),
        ("a cat --iw 1", "missing_reference", "image_weight", "--iw at character 7"),
        ("a cat --control edges", "missing_reference", "control", "a picture"),
        ("a cat --sw 5", "missing_reference", "style_weight", "--sref 1234::2"),
        ("a cat --cw 5", "missing_reference", "character_weight", "--cref"),
        ("a cat --steps 9 --q 2", "conflicting_parameters", "steps", "“--q 2” at 17"),
        ("a cat --style neon --raw", "conflicting_parameters", "style", "“--raw” at 20"),
        ("a cat --style neon --style raw", "repeated_parameter", "style", "“--style raw” at 20"),
        ("a cat --niji --model x", "conflicting_parameters", "version", "--model x"),
        ("a cat --niji --v 6", "repeated_parameter", "version", "“--v 6” at 14"),
        ("a cat --draft --hires", "conflicting_parameters", "draft", "--hires"),
        ("a cat --stealth --public", "repeated_parameter", "visibility", "--public"),
        ("a cat --hires 3", "invalid_value", "hires", "1.5, 2"),
        ("a cat --tile on a mat", "text_after_parameters", "prompt", "“on a mat”"),
        ("a cat --style a!b", "invalid_value", "style", "one name"),
        ("a cat --style sepia,", "invalid_value", "style", "Did you mean --style sepia?"),
        ("a cat --sref blue", "invalid_value", "style_refs", "“blue” (character 14)"),
        ("a cat --sref 7 blue", "invalid_value", "style_refs", "“blue” (character 16)"),
        ("a cat --sref 4294967296", "invalid_value", "style_refs", "4294967296"),
        ("a cat --sref 7::0", "invalid_value", "style_refs", "Did you mean --sref 7::1"),
        ("a cat --sref 7::-1", "invalid_value", "style_refs", "7::-1"),
        ("a cat --sref 1 2 3 4 5 6", "too_many_references", "style_refs", "5 are the most"),
        ("a cat --cref 7", "invalid_value", "character_refs", "direct links"),
        ("a cat --lora sepia:x", "invalid_value", "loras", "“sepia:x” (character 14)"),
        ("a cat --lora sepia:5", "invalid_value", "loras", "from -4 to 4"),
        ("a cat --lora sepia:1 --lora sepia:2", "repeated_parameter", "loras", "character 22"),
        ("a cat --lora a b c d e f", "too_many_references", "loras", "5 are the most"),
        ("a cat --control edges please", "text_after_parameters", "prompt", "“please”"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_the_fix(
    text: str, code: str, field: str | None, named: str
) -> None:
    refused = refusal(text)
    assert (refused.code, refused.field) == (code, field)
    assert named in refused.sentence
    assert refused.sentence.endswith((".", "?"))
    assert len(refused.sentence) < 320
    assert told_of_place(refused)


ELSEWHERE = [parameter for parameter in PARAMETERS if parameter.kind is Kind.UNSUPPORTED]
NAMES_OF_ELSEWHERE = [name for parameter in ELSEWHERE for name in parameter.names]
# Section 4.2 of what Midjourney's users know, and what is ours.
KNOWN_BY_HEART = (
    "aspect ar chaos c no seed stop stylize s tile iw weird w repeat r quality q sref sw sv cref cw oref ow"
    " edit exp version v niji raw style draft hd sd profile p turbo fast relax stealth public zoom video motion"
    " loop end bs steps guidance sampler lora control model hires enhance"
)
# fmt: off
OLD = (
    "upbeta", "uplight", "upanime", "test", "testp", "creative", "hq", "newclip", "nostretch", "old", "width",
    "height", "beta", "sameseed",
)
# fmt: on


def test_what_people_know_by_heart_is_in_the_table() -> None:
    assert set(KNOWN_BY_HEART.split()) | set(OLD) <= set(BY_NAME)


@pytest.mark.parametrize("name", NAMES_OF_ELSEWHERE)
@pytest.mark.parametrize("value", ["", " 750", "750", " a b"])
def test_parameters_of_elsewhere_are_known_and_refused_with_the_reason(
    name: str, value: str
) -> None:
    refused = refusal(f"a cat --{name}{value}")
    assert refused.code == "unsupported_parameter"
    assert f"--{name} at character 7" in refused.sentence
    assert f"is not supported: {BY_NAME[name].reason}." in refused.sentence
    assert len(BY_NAME[name].reason) > 20


@pytest.mark.parametrize("name", OLD)
def test_deprecated_parameters_say_what_to_do_instead(name: str) -> None:
    refused = refusal(f"a cat --{name}")
    assert refused.code == "deprecated_parameter"
    assert "deprecated: " in refused.sentence


def test_a_plan_may_allow_fewer_characters() -> None:
    assert refusal("a red cat", longest=5).code == "prompt_too_long"
    assert parse("a cat", longest=5).texts[0].text == "a cat"


def test_a_hostile_length_is_refused_before_any_work() -> None:
    assert refusal("\u0301" * 5_000_000).code == "prompt_too_long"


def test_the_table_names_nothing_twice_and_its_examples_parse() -> None:
    names = [name for parameter in PARAMETERS for name in parameter.names]
    assert len(names) == len(set(names)) == len(BY_NAME)
    for parameter in PARAMETERS:
        if parameter.supported:
            needed = BY_NAME.get(
                {"style_refs": "sref", "character_refs": "cref"}.get(parameter.needs, "")
            )
            head = f"{PICTURE} a cat {needed.sample if needed else ''}"
            assert parse(f"{head} {parameter.sample}") != parse(head)


def test_contradictions_are_mutual() -> None:
    against = {(one.field, other) for one in PARAMETERS for other in one.against}
    assert against == {(other, field) for field, other in against}


def test_help_has_a_sentence_for_everything_that_works() -> None:
    lines = parameter_help()
    assert len(lines) == sum(parameter.supported for parameter in PARAMETERS)
    assert lines[0].usage == "--ar 3:2 or --aspect"
    assert all(line.sentence.endswith(".") and line.default for line in lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a cat --sref random --seed 7", "a cat --sref 11 --seed 7"),
        (
            f"a cat --sref 5 {PICTURE} RANDOM::2 --sref random",
            f"a cat --sref 5 {PICTURE} 11::2 --sref 12",
        ),
        ("a  random cat --sref 5 --no random", "a  random cat --sref 5 --no random"),
    ],
)
def test_a_text_tells_the_codes_that_were_drawn(text: str, told: str) -> None:
    codes = [11] if "5" not in text else [5, 11, 12]
    assert with_codes(text, parse(text), codes) == told


def test_format_writes_the_usual_names() -> None:
    text = "space::2 ship --q .5 --aspect 3:2 --cfg 4 --no a --no b --relax --version 6 --w 5"
    wanted = (
        "space::2 ship::1 --ar 3:2 --no a, b --weird 5 --v 6 --quality 0.5 --guidance 4 --relax"
    )
    assert format_prompt(parse(text)) == wanted


words = st.text(string.ascii_lowercase + "éß中🌙'.,;!(){}\\", min_size=1, max_size=8)
texts = st.lists(words, min_size=1, max_size=5).map(" ".join)
weights = st.decimals(min_value="-0.9", max_value=99, places=3).map(float)
negatives = st.lists(
    st.text(string.ascii_lowercase + "é中,\\{}", min_size=1, max_size=8), max_size=4, unique=True
).map(tuple)
names = st.text(string.ascii_lowercase + string.digits + "._+-", max_size=9).map("x{}".format)
links = st.builds(
    "https://{}.example/{}{}".format,
    st.text(string.ascii_lowercase, min_size=1, max_size=5),
    st.text(string.ascii_letters + string.digits + "%_-./", max_size=9),
    st.sampled_from((".png", ".jpg", ".jpeg", ".webp", ".gif", ".PNG?ex=1&n=a::b")),
)
styles = st.builds(
    StyleRef,
    links | st.integers(0, 2**32 - 1).map(str) | st.just("random"),
    st.decimals(min_value="0.001", max_value=100, places=3).map(float),
)
loras = st.builds(
    LoraChoice, names, st.none() | st.decimals(min_value=-4, max_value=4, places=3).map(float)
)


def several(strategy: st.SearchStrategy, **how: Any) -> st.SearchStrategy:
    return st.lists(strategy, max_size=5, **(how or {"unique": True})).map(tuple)


@st.composite
def heads(draw: st.DrawFn) -> tuple[WeightedText, ...]:
    first = WeightedText(draw(texts), draw(st.sampled_from([1.0, 20.0, 0.5])))
    more = draw(st.lists(st.builds(WeightedText, texts, weights), max_size=3))
    heavy = WeightedText(first.text, first.weight + 3) if more else first
    return (heavy, *more)


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """Any that the grammar could have read: what contradicts itself or means nothing never comes of it."""

    def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
        return st.none() | strategy

    images = draw(several(links))
    raw, hires, steps = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    style_refs, character_refs = (() if raw else draw(several(styles))), draw(several(links))
    version, model = draw(st.sampled_from([(True, False), (False, True), (False, False)]))
    return Prompt(
        texts=draw(heads() | st.just(())) if len(images) > 1 else draw(heads()),
        images=images,
        negative=draw(negatives),
        aspect=draw(maybe(st.tuples(st.integers(1, 1000), st.integers(1, 1000)))),
        seed=draw(maybe(st.integers(0, 2**32 - 1))),
        chaos=draw(maybe(st.integers(0, 100))),
        weird=draw(maybe(st.integers(0, 3000))),
        stylize=draw(maybe(st.integers(0, 1000))),
        style=None if raw else draw(maybe(names)),
        raw=raw,
        tile=draw(st.booleans()),
        image_weight=draw(maybe(st.floats(0, 3).map(lambda value: round(value, 4))))
        if images
        else None,
        style_refs=style_refs,
        style_weight=draw(maybe(st.integers(0, 1000))) if style_refs else None,
        character_refs=character_refs,
        character_weight=draw(maybe(st.integers(0, 100))) if character_refs else None,
        loras=draw(several(loras, unique_by=lambda lora: lora.name)),
        control=draw(maybe(names)) if images else None,
        model=draw(names) if model else None,
        version=draw(names | names.map("niji {}".format) | st.just("niji")) if version else None,
        steps=draw(maybe(st.integers(1, 150))) if steps else None,
        quality=None if steps else draw(maybe(st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]))),
        draft=False if hires else draw(st.booleans()),
        hires=draw(maybe(st.sampled_from([1.5, 2.0]))) if hires else None,
        guidance=draw(maybe(st.floats(1, 20).map(lambda value: round(value, 6)))),
        sampler=draw(maybe(st.sampled_from(BY_NAME["sampler"].choices))),
        stop=draw(maybe(st.integers(10, 100))),
        repeat=draw(st.integers(1, 40)),
        enhance=draw(st.booleans()),
        speed=draw(maybe(st.sampled_from(Speed))),
        visibility=draw(maybe(st.sampled_from(Visibility))),
    )


@given(prompts())
@settings(max_examples=100, deadline=None)
def test_what_is_written_reads_back_the_same(prompt: Prompt) -> None:
    written = format_prompt(prompt)
    assert parse(written, longest=9000) == prompt
    assert expand(written, longest=9000) == (written,)


TOKENS = (
    [f"--{name}" for name in BY_NAME]
    + ["--", "—", "–", "-", "::", "::2", "::-1", ":", ",", "{", "}", "“", "”", "--ar16:9", "—no", "\n"]
    + [PICTURE, "https://a.example/x", "sepia", "sepia:2", "random", "7::2", "niji", "raw", "\\", "\\{", "\\,"]
    + ["3:2", "7", ".5", "-1", "euler", "99999999999999999999", "cat", "red bird", "é", "\u200b", "\ud83c", ""]
    + [f"{'-' * count}seed" for count in (1, 3)]
)  # fmt: skip


def jumble(rng: random.Random) -> str:
    tokens = [rng.choice(TOKENS) for _ in range(rng.randint(0, 9))]
    return "".join(token + rng.choice(("", " ", " ")) for token in tokens)


def told_of_place(refused: Refusal) -> bool:
    """The sentence says where, and so does the number that a page marks it by."""
    places = [
        int(one) for one in re.findall(r"(?:character|and .{0,60} at) (\d+)", refused.sentence)
    ]
    return refused.position in places


def outcome(text: str) -> Prompt | Refusal:
    """Of the first prompt that the text stands for."""
    try:
        return parse(expand(text)[0])
    except Refusal as refused:
        return refused


def test_two_thousand_jumbles_raise_a_refusal_or_read_back_the_same() -> None:
    rng = random.Random(7)
    outcomes = {text: outcome(text) for text in (jumble(rng) for _ in range(2000))}
    for text, found in outcomes.items():
        if isinstance(found, Refusal):
            assert found.sentence.endswith((".", "?")), text
            assert told_of_place(found), (text, found.sentence)
        else:
            assert parse(format_prompt(found)) == found, text
    assert sum(isinstance(found, Prompt) for found in outcomes.values()) > 50


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_at_all_raises_a_refusal_or_reads_back_the_same(text: str) -> None:
    found = outcome(text)
    if isinstance(found, Refusal):
        assert told_of_place(found), found.sentence
    else:
        assert parse(format_prompt(found), longest=9000) == found


def test_kinds_that_hold_a_value_have_an_example() -> None:
    for parameter in PARAMETERS:
        if parameter.supported and parameter.kind is not Kind.FLAG:
            assert parameter.example
