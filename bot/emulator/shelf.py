"""What is sold, and what becomes of it once it is bought."""

from dataclasses import dataclass
from enum import IntEnum

DURABLE, CONSUMABLE, SUBSCRIPTION, SUBSCRIPTION_GROUP = 2, 3, 5, 6
AVAILABLE, FOR_GUILDS, FOR_USERS = 1 << 2, 1 << 7, 1 << 8
# Kinds of entitlements.
PURCHASE, TEST_PURCHASE, APPLICATION_SUBSCRIPTION = 1, 4, 8
GROUP_ID = "1100000000000000400"


class Status(IntEnum):
    ACTIVE = 0
    ENDING = 1  # paid until its period ends, and not renewed then
    INACTIVE = 2


@dataclass(frozen=True, slots=True)
class Sku:
    id: str
    name: str
    type: int
    price: str
    flags: int = AVAILABLE

    @property
    def for_guilds(self) -> bool:
        return bool(self.flags & FOR_GUILDS)


PAID_MONTHLY = Sku(
    "1100000000000000401", "Paid plan", SUBSCRIPTION, "$10.00 / month", AVAILABLE | FOR_USERS
)
PRO_MONTHLY = Sku(
    "1100000000000000402", "Pro plan", SUBSCRIPTION, "$30.00 / month", AVAILABLE | FOR_USERS
)
SERVER_MONTHLY = Sku(
    "1100000000000000403", "Server plan", SUBSCRIPTION, "$99.00 / month", AVAILABLE | FOR_GUILDS
)
GPU_HOUR = Sku("1100000000000000404", "One GPU hour", CONSUMABLE, "$4.00")
# Discord makes a group of its own for subscriptions, which nobody buys.
GROUP = Sku(GROUP_ID, "Pictor", SUBSCRIPTION_GROUP, "", AVAILABLE)
SKUS = (GROUP, PAID_MONTHLY, PRO_MONTHLY, SERVER_MONTHLY, GPU_HOUR)


@dataclass(frozen=True, slots=True)
class Entitlement:
    id: str
    sku: str
    user: str | None
    guild: str | None
    type: int
    starts: float | None
    ends: float | None = None
    consumed: bool = False
    deleted: bool = False
    subscription: str | None = None

    def holds(self, now: float) -> bool:
        return not self.deleted and not self.consumed and (self.ends is None or now < self.ends)


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    user: str
    sku: str
    entitlement: str
    starts: float
    ends: float
    status: Status = Status.ACTIVE
    canceled: float | None = None
