"""The screen at the desk: what it refuses is written down with a case, so that a person can look again."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from shared import accounts, gate
from shared.assets import add_verdict
from shared.config import SafetySettings
from shared.connections import Database
from shared.moderation import cases
from shared.moderation.cases import Case
from shared.moderation.strikes import strike
from shared.orders import LIFTED, Ask, PromptBlocked
from shared.plans import PlanBook
from shared.safety.policy import decide
from shared.safety.screen import PromptScreen
from shared.safety.verdict import NONE, Decision, Verdict
from shared.weights import WeightedText

# For a price alone: nothing is ever drawn on this word.
UNSCREENED = Verdict(Decision.ALLOW, NONE, 0.0, "unscreened", "", "")


class Screening:
    def __init__(
        self, database: Database, screen: PromptScreen, book: PlanBook, safety: SafetySettings
    ) -> None:
        self._database = database
        self._safety = safety
        self._screen = screen
        self._book = book

    async def open(self, ask: Ask) -> gate.HouseRules:
        """The rules of where it is asked, and what is known of who asks."""
        async with self._database.single() as session:
            return await gate.read(session, ask.person, ask.venue, key=ask.key)

    async def screened(
        self,
        ask: Ask,
        rules: gate.HouseRules,
        *,
        texts: Sequence[WeightedText],
        negative: Sequence[str],
        said: str,
        words: Sequence[str] = (),
    ) -> Verdict:
        """Allow or review; PromptBlocked otherwise. `said` is what a moderator reads, `words` are some
        beside the prompt."""
        every = [*(text.text for text in texts), *words]
        assessment = self._screen.assess(every, negative=negative, extra=rules.terms)
        verdict = decide(assessment, rules.policy(self._screen.rules, ask.venue))
        if verdict.decision is Decision.BLOCK:
            raise PromptBlocked(verdict, case_id=await self._write_down(ask, verdict, said))
        return verdict

    async def _write_down(self, ask: Ask, verdict: Verdict, said: str) -> UUID | None:
        """In a transaction of its own: the refusal undoes everything else."""
        person, guild = ask.person, ask.venue.guild_id
        async with self._database.begin() as session:
            account = await accounts.ensure(
                session,
                person.discord_id,
                person.name,
                plan=person.plan,
                book=self._book,
                pepper=self._safety.pepper,
            )
            number = await add_verdict(session, None, "prompt", verdict, account_id=account.id)
            if verdict.failed:
                return None
            case_id = await cases.note(
                session,
                kind="prompt",
                account_id=account.id,
                guild_id=guild,
                verdict=verdict,
                verdict_id=number,
                prompt=said,
                submission=ask.told(),
            )
            await strike(
                session,
                account.id,
                None,
                verdict,
                case_id=case_id,
                guild_id=guild,
                rules=self._safety,
            )
        return None if verdict.hard else case_id


def permit_of(case: Case) -> Verdict:
    """The verdict of who lifted it, in place of the screen's: allow, and by which case."""
    words = hashlib.sha256((case.prompt or "").encode()).hexdigest()
    rule = f"{LIFTED}{case.id}"
    return Verdict(Decision.ALLOW, case.category, case.score, rule, "people", words)
