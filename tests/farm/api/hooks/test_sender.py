"""What webhooks are told arrives: signed, in order, until it is taken, whatever the receiver does."""

import asyncio
import logging
from collections import defaultdict
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from farm.api import server
from farm.api.hooks import bodies, sender
from farm.api.services import Services
from shared import hookdeliveries, hookrows
from shared.admission import Person
from shared.config import Settings
from shared.connections import Database
from shared.errors import Fault
from shared.hookdeliveries import Delivery
from shared.hookrows import Webhook
from shared.hooks import secret_of
from shared.jobs import JobState
from shared.orders import NOWHERE, Ask, Hook
from tests.farm.api.conftest import PEPPER
from tests.farm.api.hooks.conftest import Drawn, secret
from tests.farm.api.receiver import CUT, Receiver

STORY = ["job.waiting", "job.started", "job.succeeded"]
AGED = "update webhook_deliveries set first_at = clock_timestamp() - interval '25 hours'"


async def log_of(services: Services, hook: Webhook) -> list[Delivery]:
    found = await services.hooks.deliveries(hook.account_id, hook.id, limit=99)
    return list(reversed(found))


async def until_ended(services: Services, hook: Webhook) -> list[Delivery]:
    async with asyncio.timeout(10):
        while any(one.state == "open" for one in await log_of(services, hook)):
            await asyncio.sleep(0.02)
    return await log_of(services, hook)


async def test_what_happens_to_a_job_is_told_signed_and_in_order(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn, sending: None
) -> None:
    job_id = await drawn()
    log = await until_ended(services, hook)
    assert [one.type for one in receiver.told] == STORY
    assert all(one.is_signed_by(secret(hook)) for one in receiver.told)
    assert not any(one.is_signed_by(secret(hook, 1)) for one in receiver.told)
    last = receiver.told[-1].content
    assert set(last) == {"type", "timestamp", "data"}
    assert (last["data"]["id"], last["data"]["status"]) == (str(job_id), "succeeded")
    assert [(one.state, one.tries, one.status) for one in log] == [("delivered", 1, 204)] * 3


async def test_each_event_tells_the_job_as_it_left_it_however_late_it_is_sent(
    hook: Webhook, receiver: Receiver, drawn: Drawn, services: Services
) -> None:
    await drawn()
    async with sender.sending(services):
        await receiver.until(lambda: len(receiver.told) == 3)
    waiting, started, ended = (one.content["data"] for one in receiver.told)
    assert [one["status"] for one in (waiting, started, ended)] == [
        "starting",
        "processing",
        "succeeded",
    ]
    assert (waiting["started_at"], waiting["metrics"]["queue_s"]) == (None, None)
    assert started["started_at"] == ended["started_at"]
    for early in (waiting, started):
        assert (early["completed_at"], early["metrics"]["charged_ms"]) == (None, None)
    assert ended["metrics"]["charged_ms"] == 900


async def test_a_job_may_name_an_address_of_its_own_in_the_same_transaction(
    services: Services, receiver: Receiver, sending: None
) -> None:
    """What is refused leaves none; a repeat makes no second one."""
    ada = Person("1001", "Ada", "free")
    hook = Hook(receiver.url, ("job.waiting", "job.cancelled"))
    ask = Ask("imagine", ada, NOWHERE, "api:1", None, text="a red sailboat", hook=hook)
    first = await services.desk.ask(ask)
    assert (await services.desk.ask(ask)).jobs == first.jobs
    await services.desk.cancel(ada, first.jobs[0].id)
    await receiver.until(lambda: len(receiver.told) == 2)
    assert [one.type for one in receiver.told] == ["job.waiting", "job.cancelled"]
    account = first.jobs[0].account_id
    assert all(one.is_signed_by(secret_of(account, 0, PEPPER)) for one in receiver.told)
    (kept,) = await services.hooks.of_job(account, first.jobs[0].id)
    assert await services.hooks.webhooks(account) == []
    assert len(await services.hooks.deliveries(account, kept.id)) == 2


async def test_one_that_fails_is_tried_again_and_the_next_waits(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn, sending: None
) -> None:
    answers = iter([500, CUT, 302, 204, 204, 204])
    receiver.says = lambda: next(answers)
    await drawn()
    log = await until_ended(services, hook)
    assert [one.type for one in receiver.told] == [*STORY[:1] * 4, *STORY[1:]]
    assert len({one.id for one in receiver.told[:4]}) == 1
    assert [one.tries for one in log] == [4, 1, 1]


async def test_who_cannot_be_reached_is_tried_again_and_the_log_says_why(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn, sending: None
) -> None:
    """Since when it fails, the webhook tells; until it takes one."""
    await receiver.die()
    await drawn(JobState.WAITING)
    async with asyncio.timeout(10):
        while (await log_of(services, hook))[0].tries < 3:
            await asyncio.sleep(0.02)
    (row,) = await log_of(services, hook)
    assert (row.state, row.status, row.error) == ("open", None, sender.SILENT)
    assert (await services.hooks.webhook(hook.account_id, hook.id)).failing_since is not None
    await receiver.start()
    assert (await until_ended(services, hook))[0].error is None
    async with asyncio.timeout(10):
        while (await services.hooks.webhook(hook.account_id, hook.id)).failing_since is not None:
            await asyncio.sleep(0.02)


async def test_after_a_day_it_is_given_up_and_the_next_has_its_turn(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn, sending: None
) -> None:
    receiver.says = lambda: 500
    await drawn()
    await receiver.until(lambda: receiver.told)
    async with services.database.begin() as session:
        await session.execute(text(AGED + " where first_at is not null"))
    await receiver.until(lambda: receiver.told[-1].type == "job.started")
    first, *_ = await log_of(services, hook)
    assert (first.state, first.status, first.error) == ("given_up", 500, "The address answers 500.")
    assert (await services.hooks.webhook(hook.account_id, hook.id)).off_at is None


async def test_an_address_that_fails_for_days_is_switched_off_and_the_log_says_so(
    services: Services,
    hook: Webhook,
    receiver: Receiver,
    drawn: Drawn,
    sending: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver.says = lambda: 500
    await drawn()
    await receiver.until(lambda: receiver.told)
    async with services.database.begin() as session:
        failing = "update webhooks set failing_since = clock_timestamp() - interval '121 hours'"
        await session.execute(text(failing))
        await session.execute(text(AGED + " where first_at is not null"))
    with caplog.at_level(logging.WARNING):
        log = await until_ended(services, hook)
    assert {one.state for one in log} == {"given_up"}
    assert log[-1].error == (await services.hooks.webhook(hook.account_id, hook.id)).off_because
    assert f"webhook {hook.id} is off" in caplog.text
    assert receiver.url not in caplog.text


async def test_an_address_that_says_it_is_gone_is_switched_off_at_once(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn, sending: None
) -> None:
    receiver.says = lambda: 410
    await drawn()
    await until_ended(services, hook)
    assert len(receiver.told) == 1
    assert (await services.hooks.webhook(hook.account_id, hook.id)).off_at is not None
    await drawn()
    assert len(await log_of(services, hook)) == 3


async def test_nothing_passes_while_its_address_is_being_switched_off(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn, sending: None
) -> None:
    """Were the first given up before the address is off, the next of its job would be told."""
    receiver.says = lambda: 410
    await drawn()
    async with services.database.begin() as session:
        held = text("select from webhooks where id = :id for no key update")
        await session.execute(held, {"id": hook.id})
        await receiver.until(lambda: receiver.told, within_s=10)
        await asyncio.sleep(0.2)
        assert [one.state for one in await log_of(services, hook)] == ["open"] * 3
    assert [one.state for one in await until_ended(services, hook)] == ["given_up"] * 3
    assert len(receiver.told) == 1


async def test_after_a_rotation_old_and_new_secret_both_verify(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn, sending: None
) -> None:
    _, new = await services.hooks.rotate(hook.account_id, hook.id)
    await drawn(JobState.WAITING)
    await until_ended(services, hook)
    (told,) = receiver.told
    assert new == secret(hook, 1)
    assert told.is_signed_by(secret(hook))
    assert told.is_signed_by(new)
    assert not told.is_signed_by(secret(hook, 2))


async def test_an_address_that_leads_inside_by_now_is_not_told(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn, sending: None
) -> None:
    """It was good when it was named; what is checked counts at each try."""
    async with services.database.begin() as session:
        url = f"http://localhost:{receiver.port}/told"
        await hookrows.change(session, hook.account_id, hook.id, {"url": url})
    await drawn(JobState.WAITING)
    async with asyncio.timeout(10):
        while (await log_of(services, hook))[0].tries < 2:
            await asyncio.sleep(0.02)
    assert (await log_of(services, hook))[0].error == sender.ABROAD
    assert receiver.told == []


async def test_a_body_that_cannot_be_written_stops_nobody_else(
    services: Services,
    hook: Webhook,
    receiver: Receiver,
    drawn: Drawn,
    sending: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = "the words of a prompt"

    async def broken(*_: object) -> object:
        raise ValueError(words)

    await drawn(JobState.WAITING)
    await receiver.until(lambda: receiver.told)
    monkeypatch.setattr(bodies, "BODIES", {"pictor": broken})
    await drawn(JobState.WAITING)
    await services.hooks.ping(hook.account_id, hook.id)
    await receiver.until(lambda: receiver.told[-1].type == "ping")
    await receiver.until(lambda: "cannot be written" in caplog.text)
    assert words not in caplog.text


async def test_the_sender_lives_through_a_database_that_is_away(
    services: Services,
    hook: Webhook,
    receiver: Receiver,
    drawn: Drawn,
    sending: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What could not be noted is told again, under the same id."""
    faults = iter([Fault("database_down", "x", retryable=True), ValueError("anything")])
    real = hookdeliveries.claim

    async def claim(*args: object, **more: object) -> object:
        if (fault := next(faults, None)) is not None:
            raise fault
        return await real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(hookdeliveries, "claim", claim)
    await drawn(JobState.WAITING)
    await until_ended(services, hook)
    assert len(receiver.told) == 1


async def test_whoever_stops_lets_what_is_on_its_way_arrive(
    services: Services, hook: Webhook, receiver: Receiver, drawn: Drawn
) -> None:
    async with sender.sending(services):
        await drawn(JobState.WAITING)
        await receiver.until(lambda: receiver.told)
    assert [one.state for one in await log_of(services, hook)] == ["delivered"]


async def test_pictor_api_tells_webhooks(
    settings: Settings,
    hook: Webhook,
    receiver: Receiver,
    drawn: Drawn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[server.Server] = []

    class Kept(server.Server):
        def __init__(self, *about: Any) -> None:
            super().__init__(*about)
            made.append(self)

    monkeypatch.setattr(server, "configure_logging", lambda _: None)
    monkeypatch.setattr(server, "Server", Kept)
    api = settings.api.model_copy(update={"port": 0})
    running = asyncio.create_task(server.run_api(settings.model_copy(update={"api": api})))
    await drawn(JobState.WAITING)
    await receiver.until(lambda: receiver.told or running.done(), within_s=30)
    made[0].should_exit = True
    await running
    assert [one.type for one in receiver.told] == ["job.waiting"]


@pytest.mark.parametrize(
    "jobs", [30, pytest.param(3_340, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])]
)
async def test_nothing_is_lost_whatever_the_receiver_does(
    jobs: int,
    services: Services,
    hook: Webhook,
    receiver: Receiver,
    database: Database,
    sending: None,
    drawn: Drawn,
) -> None:
    """Three events a job, two senders; a fifth of the tries fails, some are taken without a word, and the
    receiver dies three times."""
    chance, receiver.secret = Random(7), secret(hook)
    receiver.says = lambda: chance.choices([204, 500, CUT], [75, 20, 5])[0]
    first = await drawn(JobState.WAITING)
    async with sender.sending(services):
        for _ in range(3):
            await _copied(database, first, jobs // 3)
            await _heard_more(receiver, len(receiver.known) + jobs // 10)
            await receiver.die()
            await asyncio.sleep(0.1)
            await receiver.start()
        await _copied(database, first, jobs - 3 * (jobs // 3))
        await receiver.until(lambda: len(receiver.known) == 3 * jobs + 1, within_s=1_200)
    async with database.read() as session:
        states = await session.execute(
            text("select id, job_id, event from webhook_deliveries order by id")
        )
        written = {f"msg_{id}": (job_id, event) for id, job_id, event in states}
    assert len(written) == 3 * jobs + 1
    told = {one.id: (UUID(one.content["data"]["id"]), one.type) for one in receiver.taken}
    assert told == written
    assert receiver.forged == []
    stories = _first_heard(receiver)
    assert stories.pop(str(first)) == ["job.waiting"]
    assert all(story == ["job.waiting", "job.started", "job.failed"] for story in stories.values())


async def _copied(database: Database, job_id: UUID, times: int) -> None:
    """So many jobs more like this one, which begin and fail; in a few statements."""
    same = "account_id, plan, kind, speed, prompt, spec, spec_sha256, estimate_ms"
    copy = f"""insert into jobs ({same}, submission_key)
        select {same}, gen_random_uuid()::text from jobs, generate_series(1, :times) where id = :id"""
    others = "where id <> :id and finished_at is null"
    async with database.begin() as session:
        await session.execute(text(copy), {"id": job_id, "times": times})
        for changes in (
            "state = 'dispatched', attempt = 1, worker = 'w1', lease_until = clock_timestamp()",
            "state = 'running', started_at = clock_timestamp()",
            "state = 'failed', finished_at = clock_timestamp(), charged_ms = 0, error_sentence = ''",
        ):
            await session.execute(text(f"update jobs set {changes} {others}"), {"id": job_id})


async def _heard_more(receiver: Receiver, than: int) -> None:
    await receiver.until(lambda: len(receiver.known) > than, within_s=120)


def _first_heard(receiver: Receiver) -> dict[str, list[str]]:
    """Of each job, the events in the order in which the receiver first had them."""
    heard: dict[str, list[str]] = defaultdict(list)
    for one in receiver.taken:
        if one.type not in (story := heard[one.content["data"]["id"]]):
            story.append(one.type)
    return heard
