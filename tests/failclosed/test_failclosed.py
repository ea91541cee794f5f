"""The short form of `python -m tests.failclosed`: every trouble a few times, and sound jobs beside."""

from pathlib import Path

import pytest

from farm import child
from shared.config import Settings
from tests.failclosed.__main__ import is_proven
from tests.failclosed.run import prove
from tests.failclosed.troubles import SOUND, TROUBLES


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof shortens the pause between two lives of a child: it is put back."""
    monkeypatch.setattr(child, "FIRST_PAUSE_S", child.FIRST_PAUSE_S)
    monkeypatch.setattr(child, "LONGEST_PAUSE_S", child.LONGEST_PAUSE_S)


async def test_whatever_breaks_nothing_is_delivered_and_everything_refunded(
    settings: Settings, tmp_path: Path
) -> None:
    broken = await prove(settings, tmp_path / "broken", jobs=60, troubles=TROUBLES)
    assert (broken.delivered, broken.refunded, broken.held_ms) == (0, 60, 0)
    assert (broken.strikes, broken.cases) == (0, 0)
    assert broken.breaker_opened
    sound = await prove(settings, tmp_path / "sound", jobs=4, troubles=(SOUND,))
    assert sound.ended == {"succeeded": 4}
    assert is_proven(broken, sound)


async def test_a_proof_whose_sound_jobs_do_not_arrive_is_none(
    settings: Settings, tmp_path: Path
) -> None:
    broken = await prove(settings, tmp_path, jobs=4, troubles=("raises",))
    assert not is_proven(broken, broken)
