"""The cashier: what may be bought, who has what, and what Discord says was bought. Each call a transaction."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from shared import accounts, allowances, entitlements, ledger, plangrants
from shared.accounts import Account
from shared.connections import Database, Session
from shared.entitlements import Outcome, Told
from shared.errors import Refusal
from shared.ledger import Balance
from shared.moderation import pseudonyms
from shared.orders import Person
from shared.plangrants import PlanGrant
from shared.plans import Plan, PlanBook

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Membership:
    """What somebody has now. `given` are plans beside their roles', the longest first; `tried`: the trial
    was had, or there is none."""

    account: Account
    plan: Plan
    balance: Balance
    given: Sequence[PlanGrant]
    tried: bool


@dataclass(frozen=True, slots=True)
class Cashier:
    database: Database
    book: PlanBook
    pepper: SecretStr | None = None

    async def membership(self, person: Person) -> Membership:
        async with self.database.begin() as session:
            return await self._membership(session, await self._account(session, person))

    async def begin_trial(self, person: Person) -> Membership:
        """Refusal when there is none, it was had before, or the plan in force is no smaller."""
        trial = self.book.trial
        if trial is None:
            raise Refusal("no_trial", "There is no trial here at the moment.")
        async with self.database.begin() as session:
            account = await self._account(session, person)
            tried, own = self.book.plan(trial.plan), self.book.plan(account.plan)
            if own.weight >= tried.weight:
                sentence = f"You have the {own.title} plan, which has all that the trial has."
                raise Refusal("trial_needless", sentence)
            if not await plangrants.begin_trial(session, account.id, trial, who=self._who(account)):
                raise Refusal("trial_had", "You had your trial; it is there once for each person.")
            note = f"{tried.title} trial"
            await allowances.turn(session, account.id, tried, note=note, grant_ms=trial.grant_ms)
            return await self._membership(session, await self._account(session, person))

    async def take(self, told: Told) -> Outcome:
        async with self.database.begin() as session:
            outcome = await entitlements.take(session, told, self.book)
        if outcome is Outcome.UNKNOWN:
            log.warning("entitlement %s is of SKU %s, not in the plans file", told.id, told.sku_id)
        return outcome

    async def lose(self, id: str) -> Outcome:
        async with self.database.begin() as session:
            return await entitlements.lose(session, id)

    async def to_consume(self) -> Sequence[str]:
        async with self.database.read() as session:
            return await entitlements.to_consume(session, self.book)

    async def consumed(self, id: str) -> None:
        async with self.database.begin() as session:
            await entitlements.consumed(session, id)

    async def unlisted(self, listed: Collection[str]) -> Sequence[str]:
        async with self.database.read() as session:
            return await entitlements.unlisted(session, listed)

    async def _account(self, session: Session, person: Person) -> Account:
        return await accounts.ensure(
            session,
            person.discord_id,
            person.name,
            plan=person.plan,
            book=self.book,
            pepper=self.pepper,
            roles=person.roles,
        )

    async def _membership(self, session: Session, account: Account) -> Membership:
        had = await plangrants.had_trial(session, self._who(account)) if self.book.trial else True
        return Membership(
            account=account,
            plan=self.book.plan(account.plan),
            balance=await ledger.balance(session, account.id),
            given=await plangrants.current(session, account.id),
            tried=had,
        )

    def _who(self, account: Account) -> str:
        """By which a trial is known again, also after everything else of that person was erased."""
        if self.pepper is None:
            return str(account.id)
        return pseudonyms.mark_of(account.discord_id, self.pepper)
