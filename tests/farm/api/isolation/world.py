"""What the owner has that nobody else may see: jobs, keys, webhooks, LoRAs, cases, tasks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from farm.api.services import Services
from shared import accounts, hookdeliveries, hookrows, lorarows, taskrows
from shared.accounts import Account
from shared.jobs import Job, Visibility
from shared.keychain import Standing, Wanted
from shared.moderation import cases
from shared.moderation.ranks import Rank
from tests.farm.api.conftest import NewKey
from tests.farm.api.drawn import draw
from tests.farm.api.isolation.kinds import Role
from tests.shared.rows import Ruling, make_job

HOME, AWAY = "77", "88"  # servers
OWNER_ID = "1001"
MARK = "quixotic"  # in everything that is the owner's alone
WORDS = f"a {MARK} marmalade lighthouse"
ADDRESS = f"https://example.org/{MARK}"
PUNISHED = "1009"  # somebody who may be warned and banned without harm to the others
ALL = ("read", "draw", "text", "upload", "hooks", "keys")
STAFF = (*ALL, "moderate")
_NUMBERS = count(1)
FIXED = {
    "index": "1",
    "mode": "relax",
    "name": "postcards",
    "number": "999999",
    "person": PUNISHED,
    "scope": "everywhere",
}
Maker = Callable[[], Awaitable[str]]
_HOLDERS: Mapping[Role, tuple[str, dict[str, Any]]] = {
    Role.OWNER: (OWNER_ID, {"guild_id": HOME}),
    Role.OTHER: ("1002", {"guild_id": HOME}),
    Role.ABROAD: ("1003", {"guild_id": AWAY}),
    Role.FOREIGN: ("1004", {"guild_id": AWAY, "scopes": STAFF, "rank": int(Rank.ADMIN)}),
    Role.MODERATOR: ("1005", {"guild_id": HOME, "scopes": STAFF, "rank": int(Rank.MODERATOR)}),
    Role.ADMIN: ("1006", {"scopes": (*STAFF, "admin")}),
}


class World:
    """`await world.path_of("/v1/jobs/{job_id}")` names something of the owner's, made for this one route."""

    def __init__(self, services: Services) -> None:
        self._services, self._database = services, services.database
        self._makers: Mapping[str, Maker] = {
            "job_id": self._job,
            "task_id": self._task,
            "id": self._key,
            "webhook_id": self._webhook,
            "delivery_id": self._delivery,
            "lora_id": self._lora,
            "case_id": self._case,
            "key": self._asset,
        }
        self._hook = ""

    @property
    def known(self) -> list[str]:
        return [*FIXED, *self._makers]

    async def params(self, names: Sequence[str]) -> dict[str, str]:
        """In their order, for a delivery is one of the webhook before it."""
        told: dict[str, Any] = {
            name: FIXED.get(name) or await self._makers[name]() for name in names
        }
        return told | ({} if "task_id" in told else {"task_id": await self._task()})

    async def _account(self) -> Account:
        async with self._database.begin() as session:
            found = await accounts.by_discord(session, OWNER_ID)
        assert found is not None
        return found

    async def _drawn(self) -> Job:
        account = await self._account()
        async with self._database.begin() as session:
            job = await make_job(
                session,
                account,
                prompt=WORDS,
                guild_id=HOME,
                visibility=Visibility.STEALTH,
            )
        return await draw(self._database, job)

    async def _job(self) -> str:
        return str((await self._drawn()).id)

    async def _task(self) -> str:
        job = await self._drawn()
        told: dict[str, Any] = {"action": "IMAGINE", "memo": "", "prompt": WORDS, "job_id": job.id}
        async with self._database.begin() as session:
            return str((await taskrows.add(session, job.account_id, **told)).id)

    async def _key(self) -> str:
        owner, chain = await self._account(), self._services.keychain
        return str((await chain.make(owner.id, Wanted(WORDS), Standing(guild_id=HOME))).key.id)

    async def _webhook(self) -> str:
        owner = await self._account()
        async with self._database.begin() as session:
            made = await hookrows.add(session, owner.id, ADDRESS, ("job.succeeded",))
        assert made is not None
        self._hook = str(made.id)
        return self._hook

    async def _delivery(self) -> str:
        async with self._database.begin() as session:
            return f"msg_{(await hookdeliveries.add_ping(session, UUID(self._hook))).id}"

    async def _lora(self) -> str:
        owner = await self._account()
        told: dict[str, Any] = {
            "name": f"{MARK}-{next(_NUMBERS)}",
            "checkpoint": "postcards",
            "trigger": WORDS,
            "licence": "",
        }
        file: dict[str, Any] = {
            "key": lorarows.new_key(),
            "sha256": "0" * 64,
            "size": 9,
            "guild_id": HOME,
        }
        async with self._database.begin() as session:
            return str((await lorarows.add(session, account_id=owner.id, **told, **file)).id)

    async def _case(self) -> str:
        owner, why = await self._account(), Ruling("block", "hate", 1.0, "a rule")
        told: dict[str, Any] = {
            "kind": "prompt",
            "account_id": owner.id,
            "guild_id": HOME,
            "prompt": WORDS,
        }
        async with self._database.begin() as session:
            return str(await cases.note(session, verdict=why, **told))

    async def _asset(self) -> str:
        key = f"{uuid4()}/1/{uuid4().hex}.png"
        await self._services.store.put(key, b"a picture", mime="image/png")
        return key


async def keys_of(new_key: NewKey) -> dict[Role, str | None]:
    """The key of each role; everybody is known to the farm."""
    held: dict[Role, str | None] = {Role.ANONYMOUS: None}
    await new_key(PUNISHED, guild_id=HOME)
    for role, (person, told) in _HOLDERS.items():
        held[role] = await new_key(person, **({"scopes": ALL} | told))
    return held
