"""Discord's rate limits: a bucket for each route and place, and one for the bot as a whole."""

import hashlib
import math
from dataclasses import dataclass

GLOBAL_PER_SECOND = 50
OUTSIDE_GLOBAL = ("/interactions/", "/webhooks/")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests in `per` seconds; routes that share the name share the bucket."""

    name: str
    count: int
    per: float


EVERYWHERE = Limit("global", GLOBAL_PER_SECOND, 1.0)
LIMITS = {
    ("POST", "/channels/{channel_id}/messages"): Limit("create", 5, 5.0),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): Limit("edit", 5, 5.0),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): Limit("delete", 5, 1.0),
    ("POST", "/channels/{channel_id}/typing"): Limit("typing", 5, 5.0),
    ("POST", "/users/@me/channels"): Limit("dm", 10, 10.0),
}
WEBHOOK = Limit("webhook", 5, 2.0)


@dataclass(slots=True)
class Bucket:
    limit: Limit
    resets: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """May it pass, and what the headers say."""

    allowed: bool
    headers: dict[str, str]
    retry_after: float = 0.0
    everywhere: bool = False


class RateLimits:
    def __init__(self) -> None:
        self.enabled = True
        self._buckets: dict[str, Bucket] = {}

    def take(self, method: str, template: str, place: str, *, now: float) -> Answer:
        """`place` is the channel, guild or webhook token that the route is about."""
        if template.startswith("/interactions/") or not self.enabled:
            return Answer(True, {})
        whole = self._bucket(EVERYWHERE, "", now)
        outside = template.startswith(OUTSIDE_GLOBAL)
        if not outside and whole.used >= whole.limit.count:
            return _refused(whole, now, everywhere=True)
        bucket = self._bucket(limit_for(method, template), place, now)
        if bucket.used >= bucket.limit.count:
            return _refused(bucket, now, everywhere=False)
        bucket.used += 1
        whole.used += not outside
        return Answer(True, _headers(bucket, now))

    def refund(self, method: str, template: str, place: str, *, now: float) -> None:
        """A refusal by a stricter limit does not count in the bucket as well."""
        if self.enabled and not template.startswith("/interactions/"):
            bucket = self._bucket(limit_for(method, template), place, now)
            bucket.used = max(0, bucket.used - 1)

    def _bucket(self, limit: Limit, place: str, now: float) -> Bucket:
        key = f"{limit.name}:{place}"
        bucket = self._buckets.get(key)
        if bucket is None or now >= bucket.resets:
            bucket = self._buckets[key] = Bucket(limit, now + limit.per)
        return bucket


def limit_for(method: str, template: str) -> Limit:
    if template.startswith("/webhooks/"):
        return WEBHOOK
    return LIMITS.get((method, template)) or Limit(f"other {template}", 50, 10.0)


def _headers(bucket: Bucket, now: float) -> dict[str, str]:
    digest = hashlib.sha256(bucket.limit.name.encode()).hexdigest()
    return {
        "X-RateLimit-Limit": str(bucket.limit.count),
        "X-RateLimit-Remaining": str(max(0, bucket.limit.count - bucket.used)),
        "X-RateLimit-Reset": f"{bucket.resets:.3f}",
        "X-RateLimit-Reset-After": f"{max(0.0, bucket.resets - now):.3f}",
        "X-RateLimit-Bucket": digest[:32],
    }


def _refused(bucket: Bucket, now: float, *, everywhere: bool) -> Answer:
    wait = max(0.001, bucket.resets - now)
    headers = {} if everywhere else _headers(bucket, now)
    headers["Retry-After"] = str(math.ceil(wait))
    headers["X-RateLimit-Scope"] = "global" if everywhere else "user"
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    return Answer(False, headers, round(wait, 3), everywhere)
