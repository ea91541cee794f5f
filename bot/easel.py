"""Paints a delivery's card from what the rows say of it: pictures, the case of a block, covers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bot.cards import Card
from bot.delivery import Delivery
from bot.messages import Painter
from shared import jobstore
from shared.connections import Database
from shared.jobs import Job, JobState, Route
from shared.moderation.caselists import of_job

Veil = Callable[[Job, Route, datetime], Awaitable[bool]]


async def uncovered(job: Job, route: Route, now: datetime) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Easel:
    """`veil` says whether pictures of a job are covered where they are shown."""

    painter: Painter
    database: Database
    veil: Veil = uncovered

    async def progress(self, delivery: Delivery, now: datetime) -> Card:
        job, route, news = delivery.job, delivery.route, delivery.news
        covered = bool(news.preview) and await self.veil(job, route, now)
        return self.painter.paint(job, route.user_id, news=news, spoiler=covered)

    async def final(self, delivery: Delivery, now: datetime) -> Card:
        job, route = delivery.job, delivery.route
        async with self.database.read() as session:
            pictures = await jobstore.assets(session, job.id)
            blocked = job.state is JobState.BLOCKED
            case = await of_job(session, job.account_id, job.id) if blocked else None
        covered = bool(pictures) and await self.veil(job, route, now)
        return self.painter.paint(job, route.user_id, pictures=pictures, case=case, spoiler=covered)
