"""The page's and the tests' own API under /_emulator/: act as a person. Not part of Discord."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.emulator import commands, payloads, people
from bot.emulator.actions import Actions
from bot.emulator.channels import Channel
from bot.emulator.emulator import EMULATOR, Emulator
from bot.emulator.errors import ApiError
from bot.emulator.interaction import Interaction, describe
from bot.emulator.interactions import ACK_WITHIN_S
from bot.emulator.rest import typing_event
from bot.emulator.window import shelf_of
from bot.emulator.world import Json

routes = web.RouteTableDef()
ROOT = "/_emulator"
COMPLETE_WITHIN_S = 3.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def playground_edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals in words; and no page from elsewhere may act as our people."""
    if not request.path.startswith(ROOT):
        return await handler(request)
    if not _comes_from_home(request):
        return web.json_response({"error": "requests from other sites are refused"}, status=403)
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response({"error": error.message}, status=error.status)
    except KeyError as error:
        return web.json_response({"error": f"{error.args[0]} is missing"}, status=400)
    except (ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)


def _comes_from_home(request: web.Request) -> bool:
    """Sent by our own page, and to a name that is ours: a foreign name may be rebound to us."""
    origin, options = request.headers.get("Origin"), emulator_of(request).options
    if origin is not None and origin.partition("://")[2] != request.host:
        return False
    named = request.url.host
    ours = (*LOOPBACK, urlsplit(options.public_url).hostname)
    return options.host not in LOOPBACK or named in ours


def emulator_of(request: web.Request) -> Emulator:
    return request.app[EMULATOR]


async def wish_of(request: web.Request) -> Json:
    wish = await request.json()
    if not isinstance(wish, dict):
        raise TypeError("send a JSON object")
    return wish


def _place(actions: Actions, wish: Json) -> tuple[str, Channel]:
    person = str(wish["user"])
    return person, actions.channel(person, str(wish.get("channel") or people.IMAGINE_CHANNEL_ID))


@routes.get(f"{ROOT}/state")
async def state(request: web.Request) -> web.Response:
    """All that a page needs to draw one channel for one person."""
    emulator, person = emulator_of(request), request.query["user"]
    world = emulator.world
    world.person(person)
    channels = [c for c in world.channels.values() if world.can_see(person, c)]
    offers = {c.id: commands.offered(world, person, c) for c in channels}
    return web.json_response(
        {
            "boot": world.started,
            "bot_online": emulator.gateway.connected(),
            "guild": payloads.guild(world),
            "people": [_about(person) for person in people.PEOPLE],
            "channels": [payloads.channel(c, world) for c in channels],
            "commands": offers,
            "shop": shelf_of(emulator.store, person),
        }
    )


def _about(person: people.Person) -> Json:
    return payloads.member(person) | {"name": person.global_name, "bio": person.bio}


@routes.get(f"{ROOT}/messages")
async def messages(request: web.Request) -> web.Response:
    emulator = emulator_of(request)
    person, channel = _place(emulator.actions, dict(request.query))
    visible = emulator.world.visible_messages(person, channel)
    return web.json_response([payloads.message(m, emulator.world) for m in visible])


@routes.get(f"{ROOT}/messages/{{message_id}}")
async def message(request: web.Request) -> web.Response:
    world = emulator_of(request).world
    found = world.find_message(request.match_info["message_id"])
    return web.json_response(payloads.message(found, world))


@routes.post(f"{ROOT}/messages")
async def say(request: web.Request) -> web.Response:
    emulator, wish = emulator_of(request), await wish_of(request)
    person, channel = _place(emulator.actions, wish)
    said = emulator.actions.say(
        person, channel, str(wish["content"]), reply_to=wish.get("reply_to", "")
    )
    return web.json_response(payloads.message(said, emulator.world))


@routes.delete(f"{ROOT}/messages/{{message_id}}")
async def erase(request: web.Request) -> web.Response:
    emulator_of(request).actions.erase(request.query["user"], request.match_info["message_id"])
    return web.json_response({})


@routes.post(f"{ROOT}/typing")
async def typing(request: web.Request) -> web.Response:
    emulator, wish = emulator_of(request), await wish_of(request)
    person, channel = _place(emulator.actions, wish)
    emulator.world.emit(typing_event(emulator.world, channel, person))
    return web.json_response({})


@routes.post(f"{ROOT}/direct")
async def direct(request: web.Request) -> web.Response:
    emulator, wish = emulator_of(request), await wish_of(request)
    channel = emulator.actions.direct(str(wish["user"]))
    return web.json_response(payloads.channel(channel, emulator.world))


@routes.post(f"{ROOT}/uploads")
async def upload(request: web.Request) -> web.Response:
    emulator, query = emulator_of(request), request.query
    emulator.world.person(query["user"])
    return web.json_response(emulator.actions.upload(query["name"], await request.read()))


@routes.post(f"{ROOT}/slash")
async def slash(request: web.Request) -> web.Response:
    emulator, wish = emulator_of(request), await wish_of(request)
    person, channel = _place(emulator.actions, wish)
    opened = emulator.actions.slash(
        person, channel, wish["command"], options=wish.get("options") or {}
    )
    return _opened(emulator, opened)


@routes.post(f"{ROOT}/menu")
async def menu(request: web.Request) -> web.Response:
    """With `message_id` or `target` (a person), and the name of the command there."""
    emulator, wish = emulator_of(request), await wish_of(request)
    actions, name = emulator.actions, str(wish["command"])
    if "message_id" in wish:
        opened = actions.on_message(str(wish["user"]), str(wish["message_id"]), name)
    else:
        person, channel = _place(actions, wish)
        opened = actions.on_person(person, channel, str(wish["target"]), name)
    return _opened(emulator, opened)


@routes.post(f"{ROOT}/autocomplete")
async def autocomplete(request: web.Request) -> web.Response:
    emulator, wish = emulator_of(request), await wish_of(request)
    person, channel = _place(emulator.actions, wish)
    options: dict[str, Any] = wish.get("options") or {}
    opened = emulator.actions.complete(
        person, channel, wish["command"], options=options, focused=wish["focused"]
    )
    choices = await _choices(emulator, opened)
    return web.json_response({"choices": choices or [], "answered": choices is not None})


async def _choices(emulator: Emulator, opened: Interaction) -> list[Json] | None:
    if opened.state == "pending":
        done = asyncio.get_running_loop().create_future()

        def watch(interaction: Interaction) -> None:
            if interaction is opened and not done.done():
                done.set_result(None)

        emulator.interactions.watchers.append(watch)
        try:
            await asyncio.wait([done], timeout=COMPLETE_WITHIN_S)
        finally:
            emulator.interactions.watchers.remove(watch)
    return opened.choices


@routes.post(f"{ROOT}/click")
async def click(request: web.Request) -> web.Response:
    emulator, wish = emulator_of(request), await wish_of(request)
    opened = emulator.actions.click(
        str(wish["user"]),
        str(wish["message_id"]),
        str(wish["custom_id"]),
        values=wish.get("values"),
    )
    return _opened(emulator, opened)


@routes.post(f"{ROOT}/modal")
async def submit(request: web.Request) -> web.Response:
    emulator, wish = emulator_of(request), await wish_of(request)
    opened = emulator.actions.submit(
        str(wish["user"]), str(wish["interaction_id"]), wish.get("values") or {}
    )
    return _opened(emulator, opened)


def _opened(emulator: Emulator, opened: Interaction) -> web.Response:
    # A little after the 3 s, so that the sweep finds it late.
    asyncio.get_running_loop().call_later(ACK_WITHIN_S + 0.05, emulator.interactions.sweep)
    return web.json_response({"interaction_id": opened.id})


@routes.get(f"{ROOT}/interactions/{{interaction_id}}")
async def interaction(request: web.Request) -> web.Response:
    desk = emulator_of(request).interactions
    desk.sweep()
    found = desk.by_id.get(request.match_info["interaction_id"])
    if found is None:
        raise ApiError(10062)
    return web.json_response(describe(found))


@routes.get(f"{ROOT}/events")
async def events(request: web.Request) -> web.WebSocketResponse:
    emulator = emulator_of(request)
    hello = {"boot": emulator.world.started, "bot_online": emulator.gateway.connected()}
    return await emulator.feed.serve(request, hello=hello)
