import pytest
from discord import app_commands

from bot.__main__ import reaches
from bot.client import PictorBot, told
from bot.courier import Courier
from bot.reception import Reception
from shared.config import SHARED
from shared.plans import read_plans

LISTED = {
    "id": "1",
    "application_id": "2",
    "version": "3",
    "name": "cancel",
    "type": 1,
    "description": "Stop a job",
    "nsfw": False,
    "contexts": None,
    "integration_types": [0],
    "options": [{"type": 3, "name": "job", "description": "Which", "autocomplete": True}],
}


async def test_what_discord_adds_is_no_change() -> None:
    bot = PictorBot()

    @bot.tree.command(name="cancel", description="Stop a job")
    @app_commands.describe(job="Which")
    async def cancel(interaction: object, job: str | None = None) -> None: ...

    @cancel.autocomplete("job")
    async def pick(interaction: object, current: str) -> list[app_commands.Choice[str]]:
        return []

    ours = [command.to_dict(bot.tree) for command in bot.tree.get_commands()]
    assert told(ours) == told([LISTED])
    assert told(ours) != told([{**LISTED, "description": "Stop"}])
    assert told(ours) != told([{**LISTED, "options": []}])
    assert told(ours) != told([LISTED, {**LISTED, "name": "stop"}])
    assert told(ours) != told([{**LISTED, "contexts": [0]}])
    assert told([{**ours[0], "dm_permission": False}]) == told([{**LISTED, "contexts": [0]}])


def test_it_asks_for_little_and_keeps_little() -> None:
    bot = PictorBot()
    assert bot.intents.value == 1  # guilds: their roles name the plans
    assert bot._connection.max_messages is None
    assert bot.allowed_mentions
    assert not bot.allowed_mentions.everyone
    assert not bot.allowed_mentions.users


@pytest.mark.parametrize(
    ("roles", "plan"),
    [([], "free"), (["Fans"], "free"), (["Paid"], "paid"), (["Pro", "Paid"], "pro")],
)
def test_the_weightiest_role_decides_the_plan(roles: list[str], plan: str) -> None:
    courier: Courier = object.__new__(Courier)
    roles_of = {"Paid": "paid", "Pro": "pro", "Odd": "gone"}
    reception = Reception(read_plans(SHARED / "plans.toml"), roles_of, courier)
    assert reception.plan_of([*roles, "Odd"]) == plan


@pytest.mark.parametrize(
    ("api_base", "link", "reached"),
    [
        ("https://discord.com/api/v10", "https://cdn.example.org/a", True),
        ("https://discord.com/api/v10", "https://8.8.8.8/a", True),
        ("https://discord.com/api/v10", "http://127.0.0.1:8701/assets/a", False),
        ("https://discord.com/api/v10", "http://localhost:8701/assets/a", False),
        ("https://discord.com/api/v10", "http://192.168.1.4/assets/a", False),
        ("https://discord.com/api/v10", "http://[::1]:8701/assets/a", False),
        ("https://discord.com/api/v10", "http://minio:9000/pictor/a", False),
        ("http://127.0.0.1:8700/api/v10", "http://127.0.0.1:8701/assets/a", True),
    ],
)
def test_a_private_address_is_out_of_discords_reach(
    api_base: str, link: str, reached: bool
) -> None:
    assert reaches(api_base, link) is reached
