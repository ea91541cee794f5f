"""Garbage is told from prompts, and the screen does not open on weights that were changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from shared.config import SHARED
from shared.errors import Fault
from shared.safety.garbled import ORDER, SYMBOLS, open_garbled, readable
from shared.safety.screen import WEIGHTS, open_screen
from shared.safety.verdict import Decision

SHIPPED, POLICY = SHARED / "safety" / "blocklist.toml", SHARED / "safety" / "policy.toml"
GARBLED = open_garbled(WEIGHTS)
SCREEN = open_screen(SHIPPED, POLICY)
LETTERS = "abcdefghijklmnopqrstuvwxyz"

ORDINARY = """
a red sailboat on the sea at sunset, two birds
cat
portrait by Zdzisław Beksiński and H.R. Giger
Mucha, Klimt, Artgerm, Greg Rutkowski, trending on ArtStation
photo of a woman, cinematic lighting, bokeh, f/1.4, ISO 400, Kodak Portra 800
hex #1a2b3c #ff00aa gradient, --ar 3:2 --seed 123456 --s 250
a 1967 Ford Mustang GT500, license plate XKJ-4821
best quality, masterpiece, ultra-detailed, 1boy, absurdres, highres, (sharp focus:1.2)
U.S.A. flag on the moon, N.A.S.A. rocket
T-800 terminator, R2-D2 and BB-8, C-3PO
ein kleines Haus am See im Nebel, Morgenlicht, Ölgemälde
une petite maison au bord du lac, brume du matin
gatto rosso che dorme sul divano
een oude molen bij het water in de mist
東京の夜景、ネオン
красный кораблик на море
قطة على سطح القمر
wooo hooo yay!!! party time!!!
""".strip().splitlines()


def noise(seed: int) -> str:
    dice = Random(seed)
    return " ".join("".join(dice.choices(LETTERS, k=dice.randint(4, 9))) for _ in range(8))


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts_are_no_garbage(text: str) -> None:
    assert GARBLED.score(readable(text)) < 0.75


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("before", ["", "a red sailboat on the sea at sunset, two birds, "])
def test_noise_is_refused_wherever_it_stands(before: str, seed: int) -> None:
    verdict = SCREEN.screen([f"{before}{noise(seed)}"])
    assert (verdict.decision, verdict.category) == (Decision.BLOCK, "adversarial")
    assert verdict.rule == "garbled:window"


def test_padding_does_not_hide_noise() -> None:
    padding = "a calm lake in the morning with two boats and birds, " * 6
    assert SCREEN.screen([f"{padding}{noise(7)} {padding}"]).decision is Decision.BLOCK


def test_one_strange_name_is_looked_at_and_not_refused() -> None:
    text = "a stone bridge at dawn in the old village of llanfairpwll"
    assert GARBLED.score(readable(text)) < 0.75
    assert GARBLED.score(readable(text + " " + noise(3))) >= 0.75


def test_what_is_ordinary_beneath_its_leet_is_no_garbage() -> None:
    assert SCREEN.screen(["c0ffee l0ver, h4cker in a h00die"]).decision is not Decision.BLOCK


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a Cat --ar 3:2 --seed 5, dog", "a cat , dog"),
        ("#ff8800 sky", "sky"),
        ("Łódź façade", "lodz facade"),
        ("猫 and 犬 play", "and play"),
        ("35mm f1.8 night street in the rain, iso 400", "night street in the rain, iso"),
        ("aGVsbG8gd29ybGQ= on a wall", "on a wall"),
        ("sooooo cute", "so cute"),
    ],
)
def test_what_people_add_is_left_out(text: str, read: str) -> None:
    assert readable(text) == read


# --- weights -------------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS, tmp_path / "weights"))


def cut(folder: Path) -> None:
    (folder / "garbled.safetensors").unlink()


def bend(folder: Path) -> None:
    path = folder / "garbled.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def forget(folder: Path) -> None:
    (folder / "words.json").unlink()


def misname(folder: Path) -> None:
    (folder / "garbled.json").write_text(json.dumps({"sha": "none"}))


@pytest.mark.parametrize("harm", [cut, bend, forget, misname])
def test_weights_that_are_missing_or_changed_keep_the_screen_shut(
    weights: Path, harm: Callable[[Path], None]
) -> None:
    open_garbled(weights)
    harm(weights)
    with pytest.raises(Fault) as fault:
        open_screen(SHIPPED, POLICY, weights=weights)
    assert fault.value.code == "weights_unreadable"


def test_a_model_of_the_wrong_shape_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(folder: Path, name: str) -> Any:
        return {"surprise": np.zeros(SYMBOLS**ORDER - 1), "hashes": [], "rarity": []}

    monkeypatch.setattr("shared.safety.garbled.read_tensors", short)
    with pytest.raises(Fault, match="wrong size"):
        open_garbled(WEIGHTS)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_a_block(
    monkeypatch: pytest.MonkeyPatch, score: float
) -> None:
    monkeypatch.setattr("shared.safety.garbled.Garbled.score", lambda *_: score)
    assert SCREEN.screen(["a cat"]).decision is Decision.BLOCK


def test_heads_that_fail_or_give_no_number_are_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> list[dict[str, float]]:
        return [{"gore": float("nan")}]

    monkeypatch.setattr("shared.safety.heads.Heads.scores", absent)
    assert SCREEN.screen(["a cat"]).failed
