"""Sign-in with a Hugging Face token: whose it is is asked over TLS, and remembered by its HMAC alone.

The token is never kept and never logged; it is exchanged for a key of ours. While Hugging Face is away
whoever was known lately stays known, and nobody new comes in.
"""

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any
from uuid import UUID, uuid5
from weakref import WeakValueDictionary

import msgspec
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError

from farm.api.quotas import Quotas
from farm.api.whoami import Whoami
from shared.accounts import Account
from shared.apikeys import USUAL
from shared.errors import Fault, Refusal
from shared.keychain import Keychain
from shared.keyrows import ApiKey, Holder
from shared.moderation.ranks import Rank

log = logging.getLogger(__name__)

FRESH_S, REFUSED_S = 300, 60
KNOWN_S = 3_600  # so long somebody stays known whom Hugging Face cannot be asked about
AGAIN_S = 15  # while it is away it is asked no more often
WITHIN_S = 6.0
AT_ONCE = 4  # whoami is strictly limited, and each call holds a thread
ACCOUNT = "hf:"  # begins what such a person is called where others have a Discord id
BEGINS = "hf_"
_TOKEN = re.compile(rf"{BEGINS}[A-Za-z0-9]{{8,200}}")
_KEYS = "pictor:hf:"
_NAMESPACE = UUID("6a1d4b0e-5a0f-4f53-9c7e-6d2f5b1f0c11")  # of keys that are no rows


class Known(msgspec.Struct, frozen=True):
    """What a token told, good until `until` (Unix seconds). `code` and `why`: it was refused."""

    until: float
    id: str = ""
    name: str = ""
    code: str = ""
    why: str = ""


class HuggingFace:
    def __init__(
        self, url: str, pepper: SecretStr, *, redis: "Redis", keychain: Keychain, quotas: Quotas
    ) -> None:
        self._whoami, self._pepper = Whoami(url), pepper.get_secret_value().encode()
        self._redis, self._keychain, self._quotas = redis, keychain, quotas
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="huggingface")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def is_token(self, secret: str) -> bool:
        return _TOKEN.fullmatch(secret) is not None

    def is_guest(self, holder: Holder) -> bool:
        """Whether the token itself was shown, not a key that it was exchanged for."""
        return holder.key.prefix == BEGINS

    async def holder(self, token: str, address: str) -> Holder:
        """Refusals `bad_key`, `not_a_person`, `token_too_strong`, `too_many_requests`; Fault
        `signin_away`."""
        known = await self._known(token, address)
        if known.code:
            raise Refusal(known.code, known.why)
        account = await self._keychain.account(ACCOUNT + known.id, known.name)
        return Holder(_key_of(account, known), account.discord_id, account.name)

    async def _known(self, token: str, address: str) -> Known:
        digest = hmac.new(self._pepper, token.encode(), hashlib.sha256).hexdigest()
        turn = self._turns.setdefault(digest, asyncio.Lock())
        async with turn:
            before = await self._recalled(digest)
            if before is not None and time() < before.until:
                return before
            if before is None:
                await self._count(address)
            now_known = await self._asked(token, before)
            await self._remember(digest, now_known)
            return now_known

    async def _count(self, address: str) -> None:
        """Somebody who tries tokens must not make us ask about each."""
        (left,) = await self._quotas.spend(address=address)
        if not left.passed:
            sentence = f"Too many tokens were tried from here. Wait {left.reset_s} s."
            raise Refusal("too_many_requests", sentence)

    async def _asked(self, token: str, before: Known | None) -> Known:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(WITHIN_S):
                told = await loop.run_in_executor(self._threads, self._whoami, token)
            return person_in(told, time())
        except Refusal as refusal:
            return Known(time() + REFUSED_S, code=refusal.code, why=refusal.sentence)
        except (Fault, TimeoutError) as error:
            log.warning("Hugging Face cannot be asked who somebody is: %s", error)
            if before is None or before.code:
                raise _away() from error
            return msgspec.structs.replace(before, until=time() + AGAIN_S)

    async def _recalled(self, digest: str) -> Known | None:
        with suppress(RedisError, OSError, msgspec.DecodeError):
            told = await self._redis.get(_KEYS + digest)
            return None if told is None else msgspec.json.decode(told, type=Known)
        return None

    async def _remember(self, digest: str, known: Known) -> None:
        """Somebody known is so for an hour since Hugging Face said it: what it did not say again keeps
        its end."""
        told, name = msgspec.json.encode(known), _KEYS + digest
        with suppress(RedisError, OSError):
            if known.code:
                await self._redis.set(name, told, ex=REFUSED_S)
            elif known.until < time() + AGAIN_S + 1:
                await self._redis.set(name, told, keepttl=True)
            else:
                await self._redis.set(name, told, ex=KNOWN_S)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def person_in(told: Mapping[str, Any], now: float) -> Known:
    """Of `whoami-v2`: a person, by a token that can only read."""
    if told.get("type") != "user":
        raise Refusal("not_a_person", "This token is an organisation's. Use your own.")
    role = told.get("auth", {}).get("accessToken", {}).get("role")
    if role != "read":
        sentence = (
            "This token can do more than read. Make one of type Read at Hugging Face, and revoke this "
            "one if it was shown to anybody."
        )
        raise Refusal("token_too_strong", sentence)
    return Known(now + FRESH_S, id=str(told["id"])[:64], name=str(told["name"])[:80])


def _key_of(account: Account, known: Known) -> ApiKey:
    """Worth what a person's own usual key is, for as long as the token is remembered."""
    asked = datetime.fromtimestamp(known.until - FRESH_S, UTC)
    return ApiKey(
        id=uuid5(_NAMESPACE, known.id),
        account_id=account.id,
        name="Hugging Face",
        prefix=BEGINS,
        scopes=USUAL,
        guild_id=None,
        plan="",
        roles=(),
        rank=Rank.NONE,
        seen_at=asked,
        created_at=asked,
        expires_at=asked + timedelta(seconds=FRESH_S),
        last_used_at=None,
        revoked_at=None,
    )


def _away() -> Fault:
    sentence = (
        "Hugging Face cannot be asked who you are just now. Your API keys work; or try again soon."
    )
    return Fault("signin_away", sentence, retryable=True)
