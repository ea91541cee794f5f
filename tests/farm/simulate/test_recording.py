"""Arrivals of a real farm: from the jobs table to a file and back, and files that cannot be used."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from farm.simulate.options import as_model
from farm.simulate.play import play
from farm.simulate.record import record_since, span
from farm.simulate.recording import FIELDS, read_recording
from farm.simulate.scenarios import scenario
from shared.catalog import read_catalog
from shared.config import SHARED, Settings
from shared.connections import Database
from shared.errors import Refusal
from shared.plans import Speed
from tests.farm.rows import a_job, an_account
from tests.farm.simulate.paper import BOOK

KNOWN = ("postcards", "studio")
GOOD = ["1.5", "ann", "free", "fast", "studio", "28", "1200", "900"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
async def test_what_was_asked_for_comes_back_without_names_and_prompts(
    database: Database, settings: Settings, tmp_path: Path, ending: str
) -> None:
    ann, bob = await an_account(database, plan="free"), await an_account(database, plan="pro")
    await a_job(database, ann, plan="free", speed=Speed.RELAX, cost_ms=1234)
    await a_job(database, bob, plan="pro", speed=Speed.TURBO, cost_ms=4321)
    await a_job(database, ann, plan="free", speed=Speed.FAST, cost_ms=1234)
    path = tmp_path / f"week.{ending}"
    assert await record_since(settings, timedelta(days=1), output=path) == 3
    text = path.read_text()
    for secret in (str(ann), str(bob), "sailboat", "Ada"):
        assert secret not in text
    first, second, third = read_recording(path, BOOK, checkpoints=KNOWN)
    assert (first.speed, first.plan, first.cost_ms) == (Speed.RELAX, "free", 1234)
    assert (second.speed, second.plan, second.cost_ms) == (Speed.TURBO, "pro", 4321)
    assert first.account_id == third.account_id != second.account_id
    assert first.at == 0 <= second.at <= third.at
    assert (first.checkpoint, first.steps) == ("postcards", 12)


async def test_two_recordings_of_one_account_cannot_be_joined(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await a_job(database, await an_account(database))
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for path in paths:
        await record_since(settings, timedelta(hours=1), output=path)
    one, two = (read_recording(path, BOOK, checkpoints=KNOWN)[0] for path in paths)
    assert one.account_id != two.account_id


async def test_an_empty_window_is_refused(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(Refusal, match="longer --since"):
        await record_since(settings, timedelta(hours=1), output=tmp_path / "none.csv")


async def test_a_recording_is_played_like_any_other_arrivals(tmp_path: Path) -> None:
    path = a_csv(tmp_path, GOOD, ["2.5", "bob", "pro", "turbo", "studio", "28", "1200", ""])
    asked = read_recording(path, BOOK, checkpoints=KNOWN)
    assert [one.work_ms for one in asked] == [900, 1200], "without a measure the estimate counts"
    found = play(scenario("steady"), BOOK, seed=1, recorded=asked)
    assert [one.finished for one in found.figures] == [2, 2, 2]


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("at", "noon", "seconds from the beginning"),
        ("at", "-1", "seconds from the beginning"),
        ("at", "nan", "seconds from the beginning"),
        ("account", "", "any name"),
        ("plan", "gold", "one of free, paid, pro"),
        ("speed", "warp", "one of turbo, fast, relax"),
        ("checkpoint", "sd9", "one of postcards, studio"),
        ("steps", "2.5", "a whole number"),
        ("steps", "0", "a whole number"),
        ("cost_ms", "0", "milliseconds above 0"),
        ("work_ms", "inf", "milliseconds above 0, or nothing"),
    ],
)
def test_a_bad_line_is_named_with_its_field_and_what_belongs_there(
    tmp_path: Path, field: str, value: str, wanted: str
) -> None:
    bad = [value if name == field else good for name, good in zip(FIELDS, GOOD, strict=True)]
    with pytest.raises(Refusal) as raised:
        read_recording(a_csv(tmp_path, GOOD, bad), BOOK, checkpoints=KNOWN)
    assert raised.value.field == field
    for part in ("arrivals.csv, line 3", field, wanted):
        assert part in raised.value.sentence


def test_a_header_that_lacks_a_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.csv"
    path.write_text("at,account\n1,a\n")
    with pytest.raises(Refusal, match="line 1: the header lacks plan, speed"):
        read_recording(path, BOOK, checkpoints=KNOWN)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b'{"at": 1', "line 1: not a JSON object"),
        ("a.jsonl", b"[1, 2]", "line 1: not a JSON object"),
        ("a.csv", b"\xff\xfe\x00", "not UTF-8"),
        ("a.csv", ",".join(FIELDS).encode(), "holds no job"),
        ("a.txt", b"", "ends in .csv or .jsonl"),
    ],
)
def test_a_file_that_is_none_is_refused(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Refusal, match=words):
        read_recording(path, BOOK, checkpoints=KNOWN)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="No such file"):
        read_recording(tmp_path / "none.csv", BOOK, checkpoints=KNOWN)


def test_json_lines_may_hold_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    values = dict(zip(FIELDS, [1.5, "ann", "free", "fast", "studio", 28, 1200, None], strict=True))
    path.write_text(json.dumps(values) + "\n\n")
    (one,) = read_recording(path, BOOK, checkpoints=KNOWN)
    assert (one.at, one.steps, one.cost_ms, one.work_ms) == (1.5, 28, 1200, 1200)


def test_a_span_is_days_hours_or_minutes() -> None:
    assert span("7d") == timedelta(days=7)
    assert span("90m") == timedelta(minutes=90)
    for text in ("7", "d", "-1d", "0h", "1w"):
        with pytest.raises(Refusal, match="7d, 36h or 90m"):
            span(text)


def test_the_catalogs_checkpoints_bring_their_own_memory() -> None:
    postcards = read_catalog(SHARED / "catalog.toml").get("postcards")
    assert as_model(postcards).vram_gb == postcards.vram_gb
    assert as_model(postcards, vram_gb=3.0, load_s=1.0).load_s == 1.0


def a_csv(folder: Path, *lines: list[str]) -> Path:
    path = folder / "arrivals.csv"
    path.write_text("\n".join(map(",".join, [list(FIELDS), *lines])) + "\n")
    return path
