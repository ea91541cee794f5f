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
from shared.oversight.review import Resubmits, Review
from shared.oversight.withdrawals import Withdrawals
from shared.safety.policy import OperatorPolicy
from shared.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class Oversight:
    """`review` cases, `discipline` people, `pairs` decide, `house` rules, `alerts` to the staff's channel."""

    review: Review
    discipline: Discipline
    pairs: Pairs
    house: House
    alerts: Alerts


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
    )
