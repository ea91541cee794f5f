"""What tests turn under /_emulator/: clock, rules, faults, gateway; and what they read."""

from aiohttp import web

from bot.emulator import payloads, people, permissions
from bot.emulator.edge import API
from bot.emulator.emulator import EMULATOR, Emulator
from bot.emulator.playground import ROOT, wish_of
from bot.emulator.world import Event

routes = web.RouteTableDef()
BENDABLE = (
    "automod",
    "identify_total",
    "max_file_bytes",
    "old_edit_retry_after",
    "old_edits_allowed",
    "outside_answers_hidden",
)


def _emulator(request: web.Request) -> Emulator:
    return request.app[EMULATOR]


@routes.get(f"{ROOT}/violations")
async def violations(request: web.Request) -> web.Response:
    return web.json_response(_emulator(request).violations)


@routes.get(f"{ROOT}/requests")
async def requests(request: web.Request) -> web.Response:
    return web.json_response(list(_emulator(request).requests))


@routes.get(f"{ROOT}/health")
async def health(request: web.Request) -> web.Response:
    emulator = _emulator(request)
    return web.json_response(
        {
            "bot_online": emulator.gateway.connected(),
            "commands": sum(map(len, emulator.world.commands.values())),
            "judged_by_description": emulator.description is not None,
        }
    )


@routes.post(f"{ROOT}/clock")
async def advance(request: web.Request) -> web.Response:
    emulator, wish = _emulator(request), await wish_of(request)
    emulator.world.clock.advance(float(wish["advance"]))
    emulator.interactions.sweep()
    emulator.store.sweep()
    return web.json_response({"now": emulator.world.clock.now()})


@routes.post(f"{ROOT}/rules")
async def rules(request: web.Request) -> web.Response:
    """Any of the fields of world.Rules that hold one value, and rate_limits."""
    emulator, wish = _emulator(request), await wish_of(request)
    for name, value in wish.items():
        if name == "lost_events":
            emulator.world.rules.lost_events |= value
        elif name in BENDABLE:
            setattr(emulator.world.rules, name, value)
        elif name == "rate_limits":
            emulator.limits.enabled = bool(value)
        else:
            raise ValueError(f"there is no rule {name!r}")
    return web.json_response({})


@routes.post(f"{ROOT}/permissions")
async def lose_permissions(request: web.Request) -> web.Response:
    """{"channel": id, "lose": ["send_messages"]} takes exactly these from the bot there."""
    world, wish = _emulator(request).world, await wish_of(request)
    channel = world.channel(str(wish.get("channel") or people.IMAGINE_CHANNEL_ID))
    lost = 0
    for name in wish["lose"]:
        if name not in permissions.BITS:
            raise ValueError(f"there is no permission {name!r}")
        lost |= permissions.BITS[name]
    world.rules.lost_permissions[channel.id] = lost
    data = payloads.channel(channel, world)
    world.emit(Event("CHANNEL_UPDATE", data, channel_id=channel.id))
    return web.json_response(data)


@routes.post(f"{ROOT}/direct/closed")
async def close_direct(request: web.Request) -> web.Response:
    """{"user": id, "closed": true}: this person takes no direct messages."""
    world, wish = _emulator(request).world, await wish_of(request)
    person = world.person(str(wish["user"])).id
    (world.rules.closed_dms.add if wish["closed"] else world.rules.closed_dms.discard)(person)
    return web.json_response({})


@routes.delete(f"{ROOT}/channels/{{channel_id}}")
async def delete_channel(request: web.Request) -> web.Response:
    world = _emulator(request).world
    channel = world.channel(request.match_info["channel_id"])
    if channel.direct or not channel.home:
        raise ValueError("only channels of the server can be deleted")
    data = payloads.channel(channel, world)
    world.delete_channel(channel.id)
    name = "THREAD_DELETE" if channel.thread else "CHANNEL_DELETE"
    world.emit(Event(name, data, channel_id=channel.id))
    return web.json_response({})


@routes.post(f"{ROOT}/faults")
async def add_fault(request: web.Request) -> web.Response:
    """See faults.Fault: kind, path (regular expression), method, status, seconds, times, chance."""
    _emulator(request).faults.add(await wish_of(request))
    return web.json_response({"api": API})


@routes.get(f"{ROOT}/faults")
async def list_faults(request: web.Request) -> web.Response:
    active = _emulator(request).faults.active
    shown = [{"kind": f.kind, "path": f.path.pattern, "hits": f.hits} for f in active]
    return web.json_response(shown)


@routes.delete(f"{ROOT}/faults")
async def clear_faults(request: web.Request) -> web.Response:
    _emulator(request).faults.clear()
    return web.json_response({})


@routes.post(f"{ROOT}/gateway")
async def gateway(request: web.Request) -> web.Response:
    """{"action": "drop"|"close"|"reconnect"|"invalidate", "code": 4000, "resumable": false}"""
    wish, gateway = await wish_of(request), _emulator(request).gateway
    action = wish["action"]
    if action == "drop":
        gateway.drop()
    elif action == "close":
        gateway.drop(code=int(wish.get("code", 4000)))
    elif action == "reconnect":
        gateway.reconnect()
    elif action == "invalidate":
        gateway.invalidate(resumable=bool(wish.get("resumable")))
    else:
        raise ValueError(f"there is no gateway action {action!r}")
    return web.json_response({"sessions": len(gateway.roster.sessions)})
