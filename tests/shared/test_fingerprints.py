"""Delivered pictures are found again by their bytes, their mark and their looks."""

from uuid import UUID

from shared import fingerprints, tables
from shared.assets import Asset, add_assets, add_verdict
from shared.connections import Database
from shared.fingerprints import GRID, Fingerprint, by_code, by_file, by_job, by_looks
from tests.farm.workshop import Workshop, finding, picture

HIGH = 0xFEDC_BA98_7654_3210  # does not fit a signed number


async def delivered(workshop: Workshop, *, looks: tuple[int, int], code: int = HIGH) -> UUID:
    """A job with a grid, one image and a recipe."""
    job = await workshop.waiting()
    drawn = picture(0)
    async with workshop.database.begin() as session:
        verdict = await add_verdict(session, job.id, "image", finding(drawn), attempt=1)
        files = [
            Asset(
                job.id, kind, 0, f"{job.id}/{kind}", f"{kind}-{job.id}", 9, side, side, "image/png"
            )
            for kind, side in (("grid", 1032), ("image", 512), ("recipe", 0))
        ]
        await add_assets(session, [(one, verdict) for one in files])
        prints = [Fingerprint(GRID, code, looks[0]), Fingerprint(0, code, looks[1])]
        await fingerprints.add_fingerprints(session, job.id, prints)
    return job.id


async def test_a_picture_is_found_by_its_mark(database: Database) -> None:
    workshop = await Workshop.open(database)
    job = await delivered(workshop, looks=(1, 2))
    await delivered(workshop, looks=(1, 2), code=7)
    async with database.read() as session:
        found = await by_code(session, HIGH)
        assert await by_code(session, HIGH - 1) == []
    assert [(one.job_id, one.picture, one.width) for one in found] == [
        (job, GRID, 1032),
        (job, 0, 512),
    ]
    assert {one.account_id for one in found} == {workshop.account.id}
    assert {one.discord_id for one in found} == {"4711"}


async def test_a_picture_is_found_by_its_bytes_and_a_recipe_is_none(database: Database) -> None:
    job = await delivered(await Workshop.open(database), looks=(1, 2))
    async with database.read() as session:
        (found,) = await by_file(session, f"image-{job}")
        assert await by_file(session, f"recipe-{job}") == []
        assert [one.picture for one in await by_job(session, job)] == [GRID, 0]
    assert (found.job_id, found.picture, found.looks) == (job, 0, 2)


async def test_a_file_from_before_there_were_fingerprints_is_found_too(database: Database) -> None:
    job = await delivered(await Workshop.open(database), looks=(1, 2))
    async with database.begin() as session:
        await session.execute(tables.metadata.tables["fingerprints"].delete())
        (found,) = await by_file(session, f"grid-{job}")
    assert (found.picture, found.looks) == (GRID, None)


async def test_alike_pictures_are_found_nearest_first(database: Database) -> None:
    workshop = await Workshop.open(database)
    here = -0x5A5A_1234_ABCD_EF77
    near = await delivered(workshop, looks=(here ^ 0b111, ~here))
    far = await delivered(workshop, looks=(~here, here ^ 0xFF))
    await delivered(workshop, looks=(~here, here ^ 0x1FF))
    async with database.read() as session:
        found = await by_looks(session, here, within=8)
    assert [(one.job_id, one.picture) for one in found] == [(near, GRID), (far, 0)]
