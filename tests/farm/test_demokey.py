"""The demo's key: whose it is, that it is kept, and kept from others."""

import json
from pathlib import Path

from bot.emulator import people
from bot.emulator.payloads import guild, member
from bot.emulator.world import World
from farm.demokey import KEY, OWNER_ID, PEPPER, Owner, key_of, owner_in, pepper_of
from shared.config import Settings
from shared.connections import Database
from shared.keychain import Keychain
from shared.plans import PlanBook, read_plans


def state() -> bytes:
    told = [member(person) | {"name": person.global_name} for person in people.PEOPLE]
    return json.dumps({"guild": guild(World(token="t")), "people": told}).encode()


def plans() -> PlanBook:
    return read_plans(Settings().plans_file)


def test_the_owner_is_told_with_roles_and_plan() -> None:
    assert people.OWNER.id == OWNER_ID
    owner = owner_in(state(), plans())
    assert owner == Owner(people.ADA.id, "Ada", people.GUILD_ID, people.ADA.roles, plan="pro")


async def test_a_key_is_made_once_and_anew_when_it_is_good_no_more(
    database: Database, tmp_path: Path
) -> None:
    owner, book = owner_in(state(), plans()), plans()
    first = await key_of(tmp_path, owner, database, book, 30)
    assert await key_of(tmp_path, owner, database, book, 30) == first
    chain = Keychain(database, book, None, 30)
    account = await chain.account(owner.discord_id, owner.name)
    (made,) = await chain.keys(account.id)
    assert (made.guild_id, made.plan, made.roles) == (owner.guild_id, "pro", owner.roles)
    await chain.revoke(account.id, made.id)
    assert await key_of(tmp_path, owner, database, book, 30) != first


async def test_nobody_else_reads_the_files(database: Database, tmp_path: Path) -> None:
    await key_of(tmp_path, owner_in(state(), plans()), database, plans(), 30)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        PEPPER: "0o600",
        KEY: "0o600",
    }
    assert len(pepper_of(tmp_path)) >= 32
