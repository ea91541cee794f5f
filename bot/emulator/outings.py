"""Under /_emulator/: threads are started and archived, applications added to accounts."""

from aiohttp import web

from bot.emulator import payloads
from bot.emulator.emulator import EMULATOR, Emulator
from bot.emulator.playground import ROOT, wish_of
from bot.emulator.postings import tell_thread
from bot.emulator.world import Event

routes = web.RouteTableDef()


def _emulator(request: web.Request) -> Emulator:
    return request.app[EMULATOR]


@routes.post(f"{ROOT}/threads")
async def start(request: web.Request) -> web.Response:
    emulator, wish = _emulator(request), await wish_of(request)
    person = str(wish["user"])
    parent = emulator.actions.channel(person, str(wish["channel"]))
    thread = emulator.world.start_thread(parent.id, str(wish["name"]), person)
    tell_thread(emulator.world, "THREAD_CREATE", thread)
    return web.json_response(payloads.channel(thread, emulator.world))


@routes.patch(f"{ROOT}/threads/{{thread_id}}")
async def archive(request: web.Request) -> web.Response:
    """{"archived": true, "locked": false}"""
    world, wish = _emulator(request).world, await wish_of(request)
    thread = world.channel(request.match_info["thread_id"])
    if not thread.thread:
        raise ValueError("only threads are archived")
    thread.archived, thread.locked = bool(wish["archived"]), bool(wish.get("locked"))
    tell_thread(world, "THREAD_UPDATE", thread)
    return web.json_response(payloads.channel(thread, world))


@routes.post(f"{ROOT}/installs")
async def install(request: web.Request) -> web.Response:
    """{"user": id, "installed": true}: the application is on this person's account."""
    world, wish = _emulator(request).world, await wish_of(request)
    person = world.person(str(wish["user"])).id
    (world.installed.add if wish["installed"] else world.installed.discard)(person)
    world.emit(Event("COMMANDS_UPDATE", {}, gateway=False))
    return web.json_response({})
