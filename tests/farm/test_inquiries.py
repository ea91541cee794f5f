"""/verify behind the counter: asked by rows, looked at in the cell, answered, and nothing is kept."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from farm import attest, litter
from farm.inquiries import Inquirer, answering, open_trust, screening
from farm.safety.cell import Cell
from farm.safety.looks import looks_of
from farm.safety.provenance import Proven
from farm.safety.watchlist import Watchlist
from farm.safety.watermark import code_of
from farm.verifier import Verifier
from shared import fingerprints, inquiries, tables
from shared.assets import Asset, add_assets, add_verdict
from shared.attestation import Answer
from shared.config import DatabaseSettings, Settings
from shared.connections import Database
from shared.errors import Fault, Refusal
from shared.fingerprints import Fingerprint
from shared.storage import LocalStore
from tests.farm.safety.origin import claim, decoded, encoded, farm_in, scene, settings_in
from tests.farm.workshop import Workshop, finding, picture


@dataclass
class Counter:
    """The farm's side: its keys, its store, and one hand that answers."""

    workshop: Workshop
    store: LocalStore
    settings: Settings
    farm: Proven
    inquirer: Inquirer

    async def ask(self, data: bytes) -> UUID:
        key = inquiries.new_key()
        await self.store.put(key, data, mime="application/octet-stream")
        async with self.workshop.database.begin() as session:
            return await inquiries.ask(session, self.workshop.account.id, key)

    async def answer(self, data: bytes) -> Answer:
        asked = await self.ask(data)
        assert await self.inquirer.step()
        return await inquiries.wait_for(self.workshop.database, asked, within_s=5)

    async def deliver(self) -> tuple[UUID, bytes]:
        """A job with one picture, as the worker's last transaction leaves it."""
        job = await self.workshop.waiting()
        marked = self.farm.mark(scene(), code_of(job.id), index=0)
        told = claim(job=str(job.id), picture="image 0")
        data = self.farm.sign(encoded(marked), mime="image/png", claim=told)
        digest, key = hashlib.sha256(data).hexdigest(), f"{job.id}/1/x-0.png"
        asset = Asset(job.id, "image", 0, key, digest, len(data), 512, 512, "image/png")
        async with self.workshop.database.begin() as session:
            passed = finding(picture(0))
            verdict = await add_verdict(session, job.id, "image", passed, attempt=1)
            await add_assets(session, [(asset, verdict)])
            seen = Fingerprint(0, code_of(job.id), looks_of(marked))
            await fingerprints.add_fingerprints(session, job.id, [seen])
        return job.id, data

    def inbox(self) -> list[Path]:
        return [
            path for path in (self.settings.storage.folder / "inbox").glob("*") if path.is_file()
        ]


@pytest.fixture
async def counter(database: Database, settings: Settings) -> AsyncIterator[Counter]:
    proven = settings.model_copy(update={"provenance": settings_in(settings.provenance.keys)})
    store = LocalStore(settings.storage.folder, "http://images.example")
    cell, watch = Cell(open_trust(proven)), Watchlist()
    verifier = Verifier(cell, database, screening(watch))
    inquirer = Inquirer(database, store, verifier=verifier, watch=watch)
    workshop = await Workshop.open(database)
    yield Counter(workshop, store, proven, farm_in(settings.provenance.keys), inquirer)
    await cell.close()


async def test_a_picture_of_ours_is_known_and_so_is_what_was_done_to_it(counter: Counter) -> None:
    job, data = await counter.deliver()
    told = await counter.answer(data)
    assert (told.origin, told.job, told.owner, told.picture) == ("proven", str(job), "4711", 0)
    assert "byte for byte" in told.changes[0]
    told = await counter.answer(encoded(decoded(data), "image/jpeg", quality=60))
    assert (told.origin, told.job) == ("marked", str(job))
    assert (told.watermark.holds, told.looks.holds) == (True, True)
    assert counter.inbox() == []


async def test_with_nothing_to_answer_it_rests(counter: Counter) -> None:
    assert await counter.inquirer.step() is False


async def test_what_is_no_picture_is_refused_in_words_and_not_kept(counter: Counter) -> None:
    with pytest.raises(Refusal, match="it is damaged") as caught:
        await counter.answer(b"no picture")
    assert caught.value.code == "not_a_picture"
    assert counter.inbox() == []


async def test_a_picture_on_a_hash_list_is_not_looked_at_any_further(counter: Counter) -> None:
    """Only noise is ever on a list of ours."""
    data = encoded(scene(8, side=64))
    digest = hashlib.sha256(data).hexdigest()
    async with counter.workshop.database.begin() as session:
        await session.execute(
            text("insert into known_hashes (algorithm, digest, list_name, actor)"
                 " values ('sha256', :digest, 'a list', 'discord:1')"),
            {"digest": digest},
        )  # fmt: skip
    with pytest.raises(Refusal) as caught:
        await counter.answer(data)
    assert caught.value.code == "known_picture"
    assert counter.inbox() == []
    async with counter.workshop.database.read() as session:
        query = select(tables.audit).where(tables.audit.c.action == "known_hash")
        (row,) = (await session.execute(query)).all()
    assert row.subject == f"account:{counter.workshop.account.id}"
    assert row.detail["sha256"] == digest


async def test_a_list_that_cannot_be_read_lets_nobody_be_answered(
    counter: Counter, tmp_path: Path
) -> None:
    watch = Watchlist(tmp_path / "no-such-list")
    with pytest.raises(Fault):
        watch.open()
    screen = screening(watch)
    seen = await counter.inquirer._verifier._cell.examine(encoded(scene(side=64)))
    with pytest.raises(Refusal, match="cannot be checked"):
        await screen(b"data", seen)


async def test_a_picture_that_is_gone_is_an_answer_too(counter: Counter) -> None:
    async with counter.workshop.database.begin() as session:
        asked = await inquiries.ask(session, None, inquiries.new_key())
    assert await counter.inquirer.step()
    with pytest.raises(Refusal, match="no longer there"):
        await inquiries.wait_for(counter.workshop.database, asked, within_s=5)


async def test_two_who_answer_take_two_and_what_one_left_is_taken_again(
    counter: Counter, database: Database
) -> None:
    first, second = await counter.ask(b"one"), await counter.ask(b"two")

    async def take() -> UUID | None:
        async with database.begin() as session:
            taken = await inquiries.take(session)
            await asyncio.sleep(0.05)
        return taken.id if taken else None

    assert set(await asyncio.gather(take(), take())) == {first, second}
    assert await take() is None
    async with database.begin() as session:
        old = text("update inquiries set taken_at = taken_at - interval '3 minutes' where id = :id")
        await session.execute(old, {"id": first})
    assert await take() == first


async def test_one_person_asks_about_three_at_a_time(counter: Counter) -> None:
    for _ in range(3):
        await counter.ask(b"data")
    with pytest.raises(Refusal, match="still looking"):
        await counter.ask(b"data")


async def test_who_is_not_answered_is_told_so(counter: Counter) -> None:
    asked = await counter.ask(b"data")
    with pytest.raises(Fault, match="Nobody has come"):
        await inquiries.wait_for(counter.workshop.database, asked, within_s=0.1)


async def test_who_asked_is_forgotten(counter: Counter, database: Database) -> None:
    await counter.ask(b"data")
    async with database.begin() as session:
        assert await inquiries.forget(session, older_than=timedelta(hours=1)) == 0
        await session.execute(text("update inquiries set at = at - interval '2 hours'"))
        assert await inquiries.forget(session, older_than=timedelta(hours=1)) == 1


def test_what_nobody_answered_is_swept_from_the_inbox() -> None:
    keys = [
        inquiries.new_key(),
        "6fd2a7c3-9b1e-4a55-8f0e-2d9c1b7a4e60/1/a-grid.webp",
        "other/inbox/x",
    ]
    assert litter.forgotten(keys) == keys[:1]


async def test_the_loop_beside_the_origin_answers(counter: Counter, database: Database) -> None:
    async with answering(counter.settings, database, counter.store):
        asked = await counter.ask(encoded(scene(5, side=64)))
        told = await inquiries.wait_for(database, asked, within_s=30)
    assert told.origin == "unknown"


async def test_without_keys_the_origin_lives_and_nobody_is_answered(
    counter: Counter, database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keyless = settings_in(counter.settings.provenance.keys).model_copy(update={"keys": tmp_path})
    async with answering(
        counter.settings.model_copy(update={"provenance": keyless}), database, counter.store
    ):
        assert "/verify is not answered here" in caplog.text


async def test_the_command_tells_the_same_with_and_without_the_database(
    counter: Counter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, data = await counter.deliver()
    (tmp_path / "it.png").write_bytes(data)
    assert await attest.verify_file(counter.settings, tmp_path / "it.png", as_json=True) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["origin"], told["job"], told["looks"]["holds"]) == ("proven", str(job), True)
    offline = counter.settings.model_copy(update={"database": DatabaseSettings()})
    assert await attest.verify_file(offline, tmp_path / "it.png", as_json=False) == 0
    said = capsys.readouterr().out
    for words in ("Made here.", str(job), "manifest   ✓", "watermark  ✓", "looks      ✗"):
        assert words in said
    (tmp_path / "other.png").write_bytes(encoded(scene(9, side=64)))
    assert await attest.verify_file(offline, tmp_path / "other.png", as_json=False) == 1
    with pytest.raises(Refusal, match="cannot be read"):
        await attest.verify_file(offline, tmp_path / "no.png", as_json=False)
