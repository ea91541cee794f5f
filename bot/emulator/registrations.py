"""REST v10, the commands' part: registering, listing and deleting them."""

from aiohttp import web

from bot.emulator import people
from bot.emulator.commands import kept
from bot.emulator.edge import API, valid_json
from bot.emulator.emulator import EMULATOR
from bot.emulator.errors import ApiError
from bot.emulator.world import Event, Json, World

routes = web.RouteTableDef()
COMMANDS = f"{API}/applications/{{application_id}}/commands"
GUILD_COMMANDS = f"{API}/applications/{{application_id}}/guilds/{{guild_id}}/commands"


@routes.get(COMMANDS)
@routes.get(GUILD_COMMANDS)
async def list_commands(request: web.Request) -> web.Response:
    return web.json_response(list(_scope(request).values()))


@routes.put(COMMANDS)
@routes.put(GUILD_COMMANDS)
async def overwrite_commands(request: web.Request) -> web.Response:
    scope, world = _scope(request), _world(request)
    listed, _ = await valid_json(request)
    known = {(c["name"], c["type"]): c["id"] for c in scope.values()}
    guild = request.match_info.get("guild_id", "")
    stored = [kept(world, wish, guild=guild, known=known) for wish in listed or []]
    scope.clear()
    scope.update({command["id"]: command for command in stored})
    world.emit(Event("COMMANDS_UPDATE", {}, gateway=False))
    return web.json_response(stored)


@routes.get(COMMANDS + "/{command_id}")
@routes.get(GUILD_COMMANDS + "/{command_id}")
async def get_command(request: web.Request) -> web.Response:
    if found := _scope(request).get(request.match_info["command_id"]):
        return web.json_response(found)
    raise ApiError(10063)


@routes.delete(COMMANDS + "/{command_id}")
@routes.delete(GUILD_COMMANDS + "/{command_id}")
async def delete_command(request: web.Request) -> web.Response:
    if _scope(request).pop(request.match_info["command_id"], None) is None:
        raise ApiError(10063)
    _world(request).emit(Event("COMMANDS_UPDATE", {}, gateway=False))
    return web.Response(status=204)


def _world(request: web.Request) -> World:
    return request.app[EMULATOR].world


def _scope(request: web.Request) -> dict[str, Json]:
    if request.match_info["application_id"] != people.APPLICATION_ID:
        raise ApiError(20012)
    scopes = _world(request).commands
    guild = request.match_info.get("guild_id", "")
    if guild not in scopes:
        raise ApiError(50001)
    return scopes[guild]
