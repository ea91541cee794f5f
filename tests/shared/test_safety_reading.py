"""The words layer reads through codes and disguises, and takes no ordinary word for a listed one."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.config import SHARED
from shared.safety.blocklist import Term, read_blocklist
from shared.safety.decoding import decoded
from shared.safety.disguises import readings
from shared.safety.gazetteer import Gazetteer
from shared.safety.lexicon import Lexicon, find
from shared.safety.lookalikes import dressed, normalise
from shared.safety.screen import WEIGHTS, open_screen
from shared.safety.verdict import Decision
from shared.safety.vocabulary import read_vocabulary, vocabulary_of
from shared.safety.windows import windows
from tests.shared.obfuscations import DISGUISES

BLOCKLIST = read_blocklist(SHARED / "safety" / "blocklist.toml")
LEXICON = Lexicon(BLOCKLIST, read_vocabulary(WEIGHTS))
SCREEN = open_screen(
    SHARED / "safety" / "blocklist.toml", SHARED / "safety" / "policy.toml"
).without_heads()


NEIGHBOURS = """
sax grape essex sussex shuttlecock boots exotic basement analog therapist cockpit peacock raspberry scrape drape
nudge node knacks panther breach titan titanic assassin class cumin document cumulus pussycat virginia shitake
shiitake scunthorpe penistone hancock
"""


def shown(text: str) -> set[str]:
    return {hit.shown for hit in find(text, LEXICON).hits}


# --- disguises -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DISGUISES)
def test_no_disguise_of_a_word_passes(name: str) -> None:
    for word in ("naked", "erotic", "topless"):
        verdict = SCREEN.screen([f"a {DISGUISES[name](word)} woman by the sea"])
        assert verdict.decision is Decision.BLOCK, (name, word)


@pytest.mark.parametrize(
    "text",
    [
        "na ked woman",
        "nakedwoman on a bed",
        "eroticgirl",
        "n_de",
        "p-rn star",
        "*aked",
        "t0pl3ss",
        "por n",
    ],
)
def test_cut_joined_and_masked_words_are_found(text: str) -> None:
    assert any(hit.category == "sexual" for hit in find(text, LEXICON).hits), text


@pytest.mark.parametrize("word", NEIGHBOURS.split())
def test_innocent_neighbours_pass(word: str) -> None:
    assert not shown(f"a photo of {word} in the sun")


def test_a_slip_is_forgiven_by_the_length_of_the_word() -> None:
    lexicon = Lexicon(BLOCKLIST, vocabulary_of(["zorblax"]), (Term("zorbla", "gore", "strong"),))
    own = {"zorbla", "zorblaa"}
    assert {hit.shown for hit in find("the zorbka", lexicon).hits} == {"zorbla"}
    assert not find("the zorblax", lexicon).hits, "a dictionary word is no misspelling"
    assert not find("the torbla", lexicon).hits, "the first letter is never mistyped"
    assert not {hit.shown for hit in find("the zabkla", lexicon).hits} & own, (
        "two slips in six letters"
    )


def test_a_typo_keeps_its_context_and_a_mask_does_not() -> None:
    assert SCREEN.screen(["museum statue, nakedd venus"]).decision is Decision.ALLOW
    assert SCREEN.screen(["museum statue, n*ked venus"]).decision is Decision.BLOCK


# --- codes ---------------------------------------------------------------------------------------


def nest(text: str, times: int) -> str:
    for _ in range(times):
        text = base64.b64encode(text.encode()).decode()
    return text


def test_codes_are_undone_twice_and_named() -> None:
    assert [found.kind for found in decoded(nest("red boat", 1))] == ["base64"]
    assert ("red boat", "base64+base64") in {(f.text, f.kind) for f in decoded(nest("red boat", 2))}
    assert "red boat" not in {found.text for found in decoded(nest("red boat", 3))}


@pytest.mark.parametrize("text", ["sailboat", "Sailboats", "#ff8800", "LAKESIDE", "iso 100 f 1 8"])
def test_ordinary_words_are_no_codes(text: str) -> None:
    assert not decoded(text)


def test_a_code_in_a_code_is_looked_at() -> None:
    once, twice = (
        SCREEN.screen([f"{nest('a red boat at sea', times)} poster"]) for times in (1, 2)
    )
    assert once.decision is Decision.ALLOW
    assert twice.decision is not Decision.ALLOW


@given(st.text(max_size=120))
@settings(max_examples=150, deadline=None)
def test_decoding_anything_is_bounded(text: str) -> None:
    assert len(decoded(text * 3)) <= 24


def test_heavy_dressing_is_evidence_and_accents_are_none() -> None:
    assert dressed("Café Zoë, naïve façade, Ångström, smörgåsbord") == {}
    assert dressed("красный кораблик на море") == {}
    assert dressed("\u200b".join("harmless"))["invisible"] > 0.5
    assert dressed("hаrmlеss")["mixed"] == 1.0
    verdict = SCREEN.screen(["\u200b".join("a red boat")])
    assert (verdict.decision, verdict.category) == (Decision.REVIEW, "adversarial")


# --- the gazetteer -------------------------------------------------------------------------------

CAT = Term("big cat", "illegal", "strong")


def test_the_gazetteer_knows_word_boundaries() -> None:
    gazetteer = Gazetteer([CAT])
    assert gazetteer.find(" a big cat ").matches
    assert gazetteer.find(" two big cats ").matches
    assert not gazetteer.find(" a big catalogue ").matches


@pytest.mark.parametrize(
    ("line", "kind"),
    [(" tac gib ", "reversed"), (" gib tac ", "reversed"), (" ovt png ", "rot13")],
)
def test_the_gazetteer_reads_backwards_and_shifted(line: str, kind: str) -> None:
    assert [match.kind for match in Gazetteer([CAT]).find(line).matches] == [kind]


def test_a_word_that_reads_as_another_backwards_is_left_alone() -> None:
    drawer = Term("drawer", "illegal", "strong")
    assert Gazetteer([drawer]).find(" reward ").matches
    assert not Gazetteer([drawer], vocabulary=vocabulary_of(["reward"])).find(" reward ").matches


def test_neighbours_share_a_space() -> None:
    gazetteer = Gazetteer([Term("big", "gore", "weak"), Term("cat", "gore", "weak")])
    assert len(gazetteer.find(" big cat ").matches) == 2


def test_a_harmless_phrase_covers_what_it_holds() -> None:
    gazetteer = Gazetteer([Term("cat", "gore", "weak")], harmless=["cat walk"])
    assert not gazetteer.find(" a cat walk ").matches
    assert len(gazetteer.find(" a cat walk for a cat ").matches) == 1


# --- windows -------------------------------------------------------------------------------------


def test_windows_overlap_and_cover_the_end() -> None:
    words = [str(number) for number in range(69)]
    got = [window.split() for window in windows(words)]
    assert [len(window) for window in got] == [32, 32, 32, 32]
    assert got[0][16] == got[1][0]
    assert got[-1][-1] == "68"
    assert windows(words[:5]) == [" ".join(words[:5])]
    assert windows([]) == []


def test_normalising_leaves_ascii_alone() -> None:
    assert normalise("A Red, Boat!") == "a red, boat!"


def test_the_first_reading_holds_the_text_itself() -> None:
    first, *_ = readings("A Red Boat")
    assert first.text == "A Red Boat"
