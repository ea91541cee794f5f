"""REST v10, the interactions' part: callbacks, follow-ups and edits through the token."""

from aiohttp import web

from bot.emulator import payloads
from bot.emulator.edge import API, valid_body
from bot.emulator.emulator import EMULATOR
from bot.emulator.errors import ApiError, invalid_body
from bot.emulator.interaction import Interaction
from bot.emulator.interactions import Interactions
from bot.emulator.postings import LOADING, delete, edit
from bot.emulator.world import Json, Message, World

routes = web.RouteTableDef()
HOOK = f"{API}/webhooks/{{webhook_id}}/{{webhook_token}}"
HOOK_MESSAGE = f"{HOOK}/messages/{{message_id}}"


@routes.post(f"{API}/interactions/{{interaction_id}}/{{interaction_token}}/callback")
async def respond(request: web.Request) -> web.Response:
    desk, body = _desk(request), await valid_body(request)
    where = request.match_info
    if problems := desk.objections(where["interaction_id"], body.json["type"]):
        raise invalid_body(problems)
    interaction = desk.respond(where["interaction_id"], where["interaction_token"], body)
    if request.query.get("with_response", "").lower() not in ("1", "true"):
        return web.Response(status=204)
    return web.json_response(_callback(interaction, body.json["type"], desk.world))


def _callback(interaction: Interaction, kind: int, world: World) -> Json:
    about: Json = {"id": interaction.id, "type": interaction.type}
    answer: Json = {"interaction": about}
    messages = world.messages[interaction.channel]
    message = messages.get(interaction.original or "")
    if message is not None:
        about |= {
            "response_message_id": message.id,
            "response_message_loading": bool(message.flags & LOADING),
            "response_message_ephemeral": message.only_for is not None,
        }
        if kind in (4, 7):
            answer["resource"] = {"type": kind, "message": payloads.message(message, world)}
    return answer


@routes.post(HOOK)
async def follow_up(request: web.Request) -> web.Response:
    interaction = _through(request)
    message = _desk(request).follow_up(interaction, await valid_body(request))
    return web.json_response(_written(request, message))


@routes.get(HOOK_MESSAGE)
async def get_message(request: web.Request) -> web.Response:
    return web.json_response(_written(request, _reached(request)))


@routes.patch(HOOK_MESSAGE)
async def edit_message(request: web.Request) -> web.Response:
    message, body = _reached(request), await valid_body(request)
    return web.json_response(_written(request, edit(_desk(request).world, message, body)))


@routes.delete(HOOK_MESSAGE)
async def delete_message(request: web.Request) -> web.Response:
    delete(_desk(request).world, _reached(request))
    return web.Response(status=204)


def _desk(request: web.Request) -> Interactions:
    return request.app[EMULATOR].interactions


def _through(request: web.Request) -> Interaction:
    where = request.match_info
    return _desk(request).through(where["webhook_id"], where["webhook_token"])


def _reached(request: web.Request) -> Message:
    if request.match_info["message_id"] == "":
        raise ApiError(10008)
    return _desk(request).reached(_through(request), request.match_info["message_id"])


def _written(request: web.Request, message: Message) -> Json:
    return payloads.message(message, _desk(request).world)
