"""What Discord refuses though its description lets it pass: lengths, counts, unknown fields."""

from collections.abc import Callable, Iterator
from typing import Any

from bot.emulator.commandrules import check_commands
from bot.emulator.componentrules import check_components
from bot.emulator.errors import Problem
from bot.emulator.layoutrules import check_layout, is_layout
from bot.emulator.modalrules import check_modal
from bot.emulator.postings import COMPONENTS_V2, legacy_beside_layout

Json = dict[str, Any]
Path = tuple[str | int, ...]

COMMON = {
    "allowed_mentions",
    "attachments",
    "components",
    "content",
    "embeds",
    "flags",
    "poll",
    # discord.py says `tts` on every message and edit; Discord takes and ignores it.
    "tts",
}
CREATE = COMMON | {"enforce_nonce", "message_reference", "nonce", "sticker_ids"}
WEBHOOK = COMMON | {"applied_tags", "avatar_url", "thread_name", "username"}
UPDATE = 7
EMBED_LENGTHS = {"title": 256, "description": 4096, "url": 2048}
EMBED_TOTAL = 6000
EMBED_FIELDS = 25


def check(method: str, template: str, body: Any) -> list[Problem]:
    rule = RULES.get((method, template))
    try:
        return list(rule(body)) if rule else []
    except (AttributeError, TypeError) as error:
        return [Problem((), "BASE_TYPE_BAD", f"A value has the wrong type: {error}")]


def _check_create(body: Json) -> Iterator[Problem]:
    yield from _check_unknown(body, CREATE)
    yield from check_message(body, ())
    nonce = body.get("nonce")
    if isinstance(nonce, str):
        yield from too_long(nonce, 25, ("nonce",))


def _check_edit(body: Json) -> Iterator[Problem]:
    yield from _check_unknown(body, COMMON)
    yield from check_message(body, (), standing=True)


def _check_webhook(body: Json) -> Iterator[Problem]:
    yield from _check_unknown(body, WEBHOOK)
    yield from check_message(body, ())


def _check_callback(body: Json) -> Iterator[Problem]:
    yield from _check_unknown(body, {"type", "data"})
    kind, data = body.get("type"), body.get("data")
    if kind not in (4, 5, 6, 7, 8, 9):
        yield Problem(("type",), "BASE_TYPE_CHOICES", "This is not a known kind of response")
    elif data is None:
        if kind not in (5, 6):
            yield required(("data",))
    elif kind in (4, 5, 6, 7):
        yield from _check_unknown(data, COMMON, ("data",))
        yield from check_message(data, ("data",), standing=kind == UPDATE)
    elif kind == 8:
        yield from _check_choices(data)
    else:
        yield from check_modal(data, ("data",))


def _check_choices(data: Json) -> Iterator[Problem]:
    choices = data.get("choices") or []
    if len(choices) > 25:
        yield too_many(25, ("data", "choices"))
    for index, choice in enumerate(choices):
        path = ("data", "choices", index)
        yield from too_long(choice.get("name", ""), 100, (*path, "name"), least=1)
        if isinstance(choice.get("value"), str):
            yield from too_long(choice["value"], 100, (*path, "value"))


def check_message(body: Json, path: Path, *, standing: bool = False) -> Iterator[Problem]:
    """An edit of a message that stands may leave its flags as they are: postings.edit knows them."""
    yield from too_long(body.get("content") or "", 2000, (*path, "content"))
    yield from _check_embeds(body.get("embeds") or [], (*path, "embeds"))
    components, place = body.get("components") or [], (*path, "components")
    v2 = bool((body.get("flags") or 0) & COMPONENTS_V2)
    if v2 and (body.get("content") or body.get("embeds")):
        yield legacy_beside_layout(path)
    v2 = v2 or (standing and is_layout(components))
    yield from check_components(components, place, v2=v2)
    if v2:
        yield from check_layout(components, place)
    yield from _check_mentions(body.get("allowed_mentions") or {}, (*path, "allowed_mentions"))
    if len(body.get("attachments") or []) > 10:
        yield too_many(10, (*path, "attachments"))


def _check_mentions(allowed: Json, path: Path) -> Iterator[Problem]:
    for kind in ("users", "roles"):
        if allowed.get(kind) and kind in (allowed.get("parse") or []):
            sentence = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            yield Problem((*path, kind), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", sentence)


def _check_embeds(embeds: list[Json], path: Path) -> Iterator[Problem]:
    if len(embeds) > 10:
        yield too_many(10, path)
    for index, embed in enumerate(embeds):
        yield from _check_embed(embed, (*path, index))
    if sum(map(_embed_length, embeds)) > EMBED_TOTAL:
        sentence = f"Embed size exceeds maximum size of {EMBED_TOTAL}"
        yield Problem(path, "MAX_EMBED_SIZE_EXCEEDED", sentence)


def _check_embed(embed: Json, path: Path) -> Iterator[Problem]:
    for key, most in EMBED_LENGTHS.items():
        yield from too_long(embed.get(key) or "", most, (*path, key))
    for slot, key, most in (("footer", "text", 2048), ("author", "name", 256)):
        text = (embed.get(slot) or {}).get(key) or ""
        yield from too_long(text, most, (*path, slot, key))
    fields = embed.get("fields") or []
    if len(fields) > EMBED_FIELDS:
        yield too_many(EMBED_FIELDS, (*path, "fields"))
    for index, field in enumerate(fields):
        place = (*path, "fields", index)
        yield from too_long(field.get("name") or "", 256, (*place, "name"), least=1)
        yield from too_long(field.get("value") or "", 1024, (*place, "value"), least=1)
    yield from _check_links(embed, path)


def _check_links(embed: Json, path: Path) -> Iterator[Problem]:
    links: list[tuple[Path, Any, tuple[str, ...]]] = [
        (("url",), embed.get("url"), ("http://", "https://"))
    ]
    for slot, key in (("image", "url"), ("thumbnail", "url"), ("author", "icon_url")):
        url = (embed.get(slot) or {}).get(key)
        links.append(((slot, key), url, ("http://", "https://", "attachment://")))
    for place, url, schemes in links:
        if url and not str(url).startswith(schemes):
            sentence = f"Scheme must be one of {', '.join(s[:-3] for s in schemes)}"
            yield Problem((*path, *place), "URL_TYPE_INVALID_SCHEME", sentence)


def _embed_length(embed: Json) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for field in embed.get("fields") or []:
        texts += [field.get("name"), field.get("value")]
    return sum(len(text) for text in texts if text)


def _check_unknown(body: Json, known: set[str], path: Path = ()) -> Iterator[Problem]:
    for key in body:
        if key not in known:
            yield Problem((*path, key), "UNKNOWN_FIELD", f"Discord knows no field {key!r} here")


def too_long(text: Any, most: int, path: Path, *, least: int = 0) -> Iterator[Problem]:
    # Discord counts UTF-16 code units nowhere here: characters it is.
    length = len(str(text))
    if length > most:
        yield Problem(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
    if length < least:
        yield Problem(path, "BASE_TYPE_MIN_LENGTH", f"Must be {least} or more in length.")


def too_many(most: int, path: Path) -> Problem:
    return Problem(path, "BASE_TYPE_BAD_LENGTH", f"Must be between 0 and {most} in length.")


def required(path: Path) -> Problem:
    return Problem(path, "BASE_TYPE_REQUIRED", "This field is required")


RULES: dict[tuple[str, str], Callable[[Any], Iterator[Problem]]] = {
    ("POST", "/channels/{channel_id}/messages"): _check_create,
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): _check_edit,
    ("POST", "/webhooks/{webhook_id}/{webhook_token}"): _check_webhook,
    ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"): _check_edit,
    ("POST", "/interactions/{interaction_id}/{interaction_token}/callback"): _check_callback,
    ("PUT", "/applications/{application_id}/commands"): check_commands,
    ("PUT", "/applications/{application_id}/guilds/{guild_id}/commands"): check_commands,
}
