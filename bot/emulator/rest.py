"""REST v10, the bot's own part: who am I, gateway, guilds, channels, messages, commands."""

from aiohttp import web

from bot.emulator import payloads, people, permissions
from bot.emulator.channels import GUILD_TEXT, Channel
from bot.emulator.edge import API, valid_body
from bot.emulator.emulator import EMULATOR
from bot.emulator.errors import ApiError
from bot.emulator.postings import (
    delete,
    draft,
    edit,
    post,
    require_young,
)
from bot.emulator.world import Event, Json, Message, World

routes = web.RouteTableDef()


def world_of(request: web.Request) -> World:
    return request.app[EMULATOR].world


@routes.get(f"{API}/gateway")
@routes.get(f"{API}/gateway/bot")
async def gateway(request: web.Request) -> web.Response:
    about = request.app[EMULATOR].gateway.about()
    return web.json_response(about if request.path.endswith("/bot") else {"url": about["url"]})


@routes.get(f"{API}/users/@me")
async def me(request: web.Request) -> web.Response:
    return web.json_response(payloads.myself())


@routes.get(f"{API}/users/@me/guilds")
async def my_guilds(request: web.Request) -> web.Response:
    guild = payloads.guild(world_of(request))
    keys = ("id", "name", "icon", "banner", "features")
    granted = str(people.permissions_of(people.PICTOR))
    mine = {key: guild[key] for key in keys} | {"owner": False, "permissions": granted}
    return web.json_response([mine])


@routes.get(f"{API}/users/{{user_id}}")
async def user(request: web.Request) -> web.Response:
    return web.json_response(payloads.user(world_of(request).person(request.match_info["user_id"])))


@routes.post(f"{API}/users/@me/channels")
async def open_direct_channel(request: web.Request) -> web.Response:
    world, body = world_of(request), await valid_body(request)
    channel = world.direct_channel(str(body.json.get("recipient_id")))
    return web.json_response(payloads.channel(channel, world))


@routes.get(f"{API}/applications/@me")
@routes.get(f"{API}/oauth2/applications/@me")
async def application(request: web.Request) -> web.Response:
    return web.json_response(payloads.application())


@routes.get(f"{API}/guilds/{{guild_id}}")
async def guild(request: web.Request) -> web.Response:
    _require_guild(request)
    return web.json_response(payloads.guild(world_of(request)))


@routes.get(f"{API}/guilds/{{guild_id}}/channels")
async def guild_channels(request: web.Request) -> web.Response:
    _require_guild(request)
    world = world_of(request)
    channels = [c for c in world.channels.values() if c.type == GUILD_TEXT and c.home]
    return web.json_response([payloads.channel(c, world) for c in channels])


@routes.get(f"{API}/guilds/{{guild_id}}/roles")
async def guild_roles(request: web.Request) -> web.Response:
    _require_guild(request)
    return web.json_response([payloads.role(role) for role in people.ROLES])


@routes.get(f"{API}/guilds/{{guild_id}}/members")
async def guild_members(request: web.Request) -> web.Response:
    _require_guild(request)
    return web.json_response([payloads.member(person) for person in people.PEOPLE])


@routes.get(f"{API}/guilds/{{guild_id}}/members/{{user_id}}")
async def guild_member(request: web.Request) -> web.Response:
    _require_guild(request)
    person = people.PEOPLE_BY_ID.get(request.match_info["user_id"])
    if person is None:
        raise ApiError(10007)
    return web.json_response(payloads.member(person))


@routes.get(f"{API}/guilds/{{guild_id}}/threads/active")
async def active_threads(request: web.Request) -> web.Response:
    _require_guild(request)
    world = world_of(request)
    found = [c for c in world.channels.values() if c.thread and c.home and not c.archived]
    threads = [payloads.channel(c, world) for c in found]
    return web.json_response({"threads": threads, "members": []})


def _require_guild(request: web.Request) -> None:
    if request.match_info["guild_id"] == people.OTHER_GUILD_ID:
        raise ApiError(50001)
    if request.match_info["guild_id"] != people.GUILD_ID:
        raise ApiError(10004)


@routes.get(f"{API}/channels/{{channel_id}}")
async def channel(request: web.Request) -> web.Response:
    channel = _channel(request, permissions.VIEW_CHANNEL)
    return web.json_response(payloads.channel(channel, world_of(request)))


@routes.get(f"{API}/channels/{{channel_id}}/messages")
async def messages(request: web.Request) -> web.Response:
    world = world_of(request)
    channel = _channel(request, permissions.READ_MESSAGE_HISTORY)
    found = [m for m in world.messages[channel.id].values() if m.only_for is None]
    if before := request.query.get("before"):
        found = [m for m in found if int(m.id) < int(before)]
    if after := request.query.get("after"):
        found = [m for m in found if int(m.id) > int(after)]
    limit = min(100, max(1, int(request.query.get("limit", 50))))
    shown = found[:limit] if after else found[-limit:]
    return web.json_response([payloads.message(m, world) for m in reversed(shown)])


@routes.post(f"{API}/channels/{{channel_id}}/messages")
async def create_message(request: web.Request) -> web.Response:
    world, body = world_of(request), await valid_body(request)
    needed = permissions.SEND_MESSAGES | (permissions.ATTACH_FILES if body.files else 0)
    channel = _channel(request, needed)
    message = draft(world, channel, people.APPLICATION_ID)
    if reference := body.json.get("message_reference"):
        _reply_to(world, message, reference)
    return web.json_response(payloads.message(post(world, message, body), world))


def _reply_to(world: World, message: Message, reference: Json) -> None:
    target = str(reference["message_id"])
    if target in world.messages[message.channel_id]:
        message.type, message.reference = 19, target
    elif reference.get("fail_if_not_exists", True):
        raise ApiError(10008)


@routes.get(f"{API}/channels/{{channel_id}}/messages/{{message_id}}")
async def get_message(request: web.Request) -> web.Response:
    message = _message(request, permissions.READ_MESSAGE_HISTORY)
    return web.json_response(payloads.message(message, world_of(request)))


@routes.patch(f"{API}/channels/{{channel_id}}/messages/{{message_id}}")
async def edit_message(request: web.Request) -> web.Response:
    world, body = world_of(request), await valid_body(request)
    message = _message(request, permissions.VIEW_CHANNEL)
    if message.author != people.APPLICATION_ID:
        raise ApiError(50005)
    require_young(world, message)
    return web.json_response(payloads.message(edit(world, message, body), world))


@routes.delete(f"{API}/channels/{{channel_id}}/messages/{{message_id}}")
async def delete_message(request: web.Request) -> web.Response:
    message = _message(request, permissions.VIEW_CHANNEL)
    if message.author != people.APPLICATION_ID:
        _channel(request, permissions.MANAGE_MESSAGES)
    delete(world_of(request), message)
    return web.Response(status=204)


@routes.post(f"{API}/channels/{{channel_id}}/typing")
async def typing(request: web.Request) -> web.Response:
    world, channel = world_of(request), _channel(request, permissions.SEND_MESSAGES)
    world.emit(typing_event(world, channel, people.APPLICATION_ID))
    return web.Response(status=204)


def typing_event(world: World, channel: Channel, person: str) -> Event:
    data = {
        "channel_id": channel.id,
        "user_id": person,
        "timestamp": int(world.clock.now()),
        **payloads.guild_of(channel),
    }
    if "guild_id" in data:
        data["member"] = payloads.member(world.person(person))
    return Event("TYPING_START", data, channel_id=channel.id)


def _channel(request: web.Request, permission: int) -> Channel:
    world = world_of(request)
    channel = world.channel(request.match_info["channel_id"])
    world.require(channel, permission)
    return channel


def _message(request: web.Request, permission: int) -> Message:
    channel = _channel(request, permission)
    message = world_of(request).message(channel.id, request.match_info["message_id"])
    if message.only_for is not None:
        # Ephemeral messages are out of the bot token's reach.
        raise ApiError(10008)
    return message
