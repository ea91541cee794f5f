"""The moderators' desk, opened once by whoever serves moderators."""

from dataclasses import dataclass

from shared.bell import Bell
from shared.config import SafetySettings
from shared.connections import Database
from shared.events import Events
from shared.oversight.alerts import Alerts
from shared.oversight.discipline import Discipline
from shared.oversight.house import House
from shared.oversight.pairs import Pairs
from shared.oversight.privacy import Privacy
from shared.oversight.review import Resubmits, Review
from shared.oversight.withdrawals import Withdrawals
from shared.safety.policy import OperatorPolicy
from shared.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class Oversight:
    """`review` of cases, `discipline` of people, `pairs` that decide together, the `house` rules, `alerts`
    for the staff's channel, and the `privacy` of whoever asks for their own."""

    review: Review
    discipline: Discipline
    pairs: Pairs
    house: House
    alerts: Alerts
    privacy: Privacy


def open_desk(
    database: Database,
    bell: Bell,
    events: Events,
    store: ObjectStore,
    *,
    front_desk: Resubmits,
    policy: OperatorPolicy,
    safety: SafetySettings,
) -> Oversight:
    withdrawals = Withdrawals(database, bell, events, store)
    return Oversight(
        Review(database, withdrawals, front_desk, safety),
        Discipline(database, withdrawals, safety),
        Pairs(database, policy, safety),
        House(database, safety),
        Alerts(database, safety),
        Privacy(database, store, withdrawals, safety),
    )
