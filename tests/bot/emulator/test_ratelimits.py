from bot.emulator.ratelimits import GLOBAL_PER_SECOND, RateLimits

CREATE = ("POST", "/channels/{channel_id}/messages")
EDIT = ("PATCH", "/channels/{channel_id}/messages/{message_id}")
HOOK = ("POST", "/webhooks/{webhook_id}/{webhook_token}")
HOOK_EDIT = ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}")
CALLBACK = ("POST", "/interactions/{interaction_id}/{interaction_token}/callback")


def test_a_bucket_empties_and_fills_again() -> None:
    limits = RateLimits()
    answers = [limits.take(*CREATE, "c1", now=100.0 + n / 10) for n in range(6)]
    assert [a.allowed for a in answers] == [True] * 5 + [False]
    assert [a.headers["X-RateLimit-Remaining"] for a in answers[:5]] == list("43210")
    refused = answers[5]
    assert refused.retry_after == 4.5
    assert refused.headers["Retry-After"] == "5"
    assert refused.headers["X-RateLimit-Scope"] == "user"
    assert limits.take(*CREATE, "c1", now=105.0).allowed


def test_channels_and_routes_have_their_own_buckets() -> None:
    limits = RateLimits()
    for _ in range(5):
        limits.take(*CREATE, "c1", now=0.0)
    assert not limits.take(*CREATE, "c1", now=0.0).allowed
    assert limits.take(*CREATE, "c2", now=0.0).allowed
    assert limits.take(*EDIT, "c1", now=0.0).allowed


def test_the_bot_as_a_whole() -> None:
    limits = RateLimits()
    for n in range(GLOBAL_PER_SECOND):
        assert limits.take(*CREATE, f"c{n}", now=0.0).allowed
    refused = limits.take(*CREATE, "one more", now=0.0)
    assert refused.everywhere
    assert refused.headers["X-RateLimit-Global"] == "true"
    assert limits.take(*HOOK, "token", now=0.0).allowed
    assert limits.take(*CREATE, "one more", now=1.0).allowed


def test_webhooks_do_not_count_for_the_bot_as_a_whole() -> None:
    limits = RateLimits()
    for n in range(GLOBAL_PER_SECOND):
        assert limits.take(*HOOK, f"token {n}", now=0.0).allowed
    assert limits.take(*CREATE, "c1", now=0.0).allowed


def test_a_webhook_token_has_one_bucket_for_all_its_routes() -> None:
    limits = RateLimits()
    routes = [HOOK, HOOK_EDIT, HOOK_EDIT, HOOK_EDIT, HOOK]
    assert all(limits.take(*route, "token", now=0.0).allowed for route in routes)
    assert not limits.take(*HOOK_EDIT, "token", now=0.1).allowed
    assert limits.take(*HOOK_EDIT, "token", now=2.0).allowed


def test_first_answers_are_free() -> None:
    limits = RateLimits()
    answers = [limits.take(*CALLBACK, "i", now=0.0) for _ in range(100)]
    assert all(a.allowed and not a.headers for a in answers)


def test_a_refund() -> None:
    limits = RateLimits()
    for _ in range(5):
        limits.take(*EDIT, "c1", now=0.0)
    limits.refund(*EDIT, "c1", now=0.0)
    assert limits.take(*EDIT, "c1", now=0.0).allowed
    assert not limits.take(*EDIT, "c1", now=0.0).allowed


def test_each_kind_of_route_names_its_own_bucket() -> None:
    limits = RateLimits()
    routes = [CREATE, EDIT, HOOK, ("GET", "/users/@me"), ("GET", "/gateway/bot")]
    named = {limits.take(*route, "p", now=0.0).headers["X-RateLimit-Bucket"] for route in routes}
    assert len(named) == len(routes)
