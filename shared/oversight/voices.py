"""What people say to the desk without sitting at it: an appeal against a block, a report of a picture."""

from dataclasses import dataclass
from uuid import UUID

from shared import accounts, assets, deliveries, jobstore
from shared.config import SafetySettings
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.jobs import Job, JobState, Visibility
from shared.moderation import cases
from shared.moderation.cases import Case
from shared.orders import Person
from shared.plans import PlanBook


@dataclass(frozen=True, slots=True)
class Voices:
    database: Database
    book: PlanBook
    safety: SafetySettings

    async def appeal(self, person: Person, case_id: UUID, text: str = "") -> Case:
        """Once, by whom the case is about, and only against what can be lifted: a Refusal otherwise."""
        async with self.database.begin() as session:
            account = await accounts.by_discord(session, person.discord_id)
            if account is None:
                raise Refusal("unknown_case", "There is no such case of yours.")
            return await cases.appeal(session, case_id, account.id, text)

    async def report(
        self, person: Person, job_id: UUID, *, guild_id: str | None, reason: str, text: str = ""
    ) -> UUID:
        """Refusal `no_picture` when there is none (any more) on this server, `reported_before`."""
        async with self.database.begin() as session:
            job = await _shown_job(session, job_id, guild_id)
            reporter = await accounts.ensure(
                session,
                person.discord_id,
                person.name,
                plan=person.plan,
                book=self.book,
                pepper=self.safety.pepper,
            )
            _check_shown_to(job, reporter.id)
            return await cases.report(
                session, reporter.id, job, picture=None, reason=reason, text=text
            )

    async def pictured(self, message_id: str) -> UUID:
        """The job whose pictures a message shows."""
        async with self.database.read() as session:
            job_id = await deliveries.of_message(session, message_id)
        if job_id is None:
            raise _no_picture()
        return job_id


async def _shown_job(session: Session, job_id: UUID, guild_id: str | None) -> Job:
    job = await jobstore.load(session, job_id)
    if job is None or job.state is not JobState.SUCCEEDED or job.guild_id != guild_id:
        raise _no_picture()
    if not await assets.assets(session, job_id):
        raise _no_picture()
    return job


def _check_shown_to(job: Job, account_id: UUID) -> None:
    """A stealthy one is there for nobody else."""
    if job.visibility is Visibility.STEALTH and job.account_id != account_id:
        raise _no_picture()


def _no_picture() -> Refusal:
    sentence = "There is no picture of mine there. It may have been withdrawn since."
    return Refusal("no_picture", sentence, field="picture")
