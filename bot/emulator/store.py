"""The application's shop: who bought what, and how subscriptions go on and end."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bot.emulator import goods, people
from bot.emulator.errors import ApiError
from bot.emulator.shelf import (
    APPLICATION_SUBSCRIPTION,
    CONSUMABLE,
    PURCHASE,
    SKUS,
    SUBSCRIPTION,
    SUBSCRIPTION_GROUP,
    TEST_PURCHASE,
    Entitlement,
    Sku,
    Status,
    Subscription,
)
from bot.emulator.world import Event, Json, World

PERIOD_S = 30 * 24 * 3600.0


@dataclass(slots=True)
class Store:
    world: World
    skus: dict[str, Sku] = field(default_factory=lambda: {sku.id: sku for sku in SKUS})
    entitlements: dict[str, Entitlement] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)

    def sku(self, id: str) -> Sku:
        if (found := self.skus.get(id)) is None or found.type == SUBSCRIPTION_GROUP:
            raise ApiError(10057)
        return found

    def entitlement(self, id: str) -> Entitlement:
        if found := self.entitlements.get(id):
            return found
        raise ApiError(10029)

    def held(self, person: str, guild: str | None) -> list[Entitlement]:
        """What holds now for this person, or for everybody in this server."""
        now = self.world.clock.now()
        owners = [(person, None)] + ([(None, guild)] if guild else [])
        owned = [e for e in self.entitlements.values() if e.holds(now)]
        return [e for e in owned if (e.user if not e.guild else None, e.guild) in owners]

    def buy(self, person: str, sku_id: str) -> Entitlement:
        """As this person pays. ValueError if they have it already."""
        sku = self.sku(sku_id)
        self.world.person(person)
        if sku.type == SUBSCRIPTION:
            return self._subscribe(person, sku)
        kind, now = PURCHASE, self.world.clock.now()
        return self._grant(Entitlement(self._id(), sku.id, person, None, kind, now))

    def _subscribe(self, person: str, sku: Sku) -> Entitlement:
        earlier = list(self._going(person, sku))
        if any(each.sku == sku.id and each.status == Status.ACTIVE for each in earlier):
            raise ValueError(f"{sku.name} is yours already")
        for each in earlier:
            self._end(each)  # another of the same kind takes its place at once
        now, id = self.world.clock.now(), self._id()
        guild = people.GUILD_ID if sku.for_guilds else None
        kind = APPLICATION_SUBSCRIPTION
        bought = Entitlement(self._id(), sku.id, person, guild, kind, now, subscription=id)
        self._grant(bought)
        going = Subscription(id, person, sku.id, bought.id, now, now + PERIOD_S)
        self._keep(going, "SUBSCRIPTION_CREATE")
        return bought

    def _going(self, person: str, sku: Sku) -> Iterator[Subscription]:
        for each in self.subscriptions.values():
            same_kind = self.skus[each.sku].for_guilds == sku.for_guilds
            if each.user == person and same_kind and each.status != Status.INACTIVE:
                yield each

    def cancel(self, person: str, sku_id: str) -> Subscription:
        """No more renewals. What was paid for holds to the end of its period, and bots hear nothing
        of the entitlement until then."""
        for each in self._going(person, self.sku(sku_id)):
            if each.sku == sku_id and each.status == Status.ACTIVE:
                now = self.world.clock.now()
                changed = replace(each, status=Status.ENDING, canceled=now)
                return self._keep(changed, "SUBSCRIPTION_UPDATE")
        raise ValueError("there is no subscription to cancel")

    def refund(self, entitlement_id: str) -> Entitlement:
        """Discord gives the money back and takes the entitlement away."""
        taken = replace(self.entitlement(entitlement_id), deleted=True)
        self.entitlements[taken.id] = taken
        if going := self.subscriptions.get(taken.subscription or ""):
            self._keep(replace(going, status=Status.INACTIVE), "SUBSCRIPTION_UPDATE")
        self._tell("ENTITLEMENT_DELETE", goods.entitlement(taken), taken.user)
        return taken

    def grant_test(self, sku_id: str, owner: str, *, of_guild: bool) -> Entitlement:
        """A test entitlement holds for ever."""
        sku = self.sku(sku_id)
        kind = APPLICATION_SUBSCRIPTION if sku.type == SUBSCRIPTION else TEST_PURCHASE
        user, guild = (None, owner) if of_guild else (owner, None)
        return self._grant(Entitlement(self._id(), sku.id, user, guild, kind, None))

    def delete_test(self, entitlement_id: str) -> None:
        if self.entitlement(entitlement_id).starts is not None:
            raise ApiError(10029)
        self.refund(entitlement_id)

    def consume(self, entitlement_id: str) -> None:
        """Once more is as good as once."""
        found = self.entitlement(entitlement_id)
        if self.skus[found.sku].type != CONSUMABLE or found.deleted:
            raise ApiError(10029)
        if not found.consumed:
            self._keep_entitlement(replace(found, consumed=True))

    def sweep(self) -> None:
        """Periods that are over are renewed, or end."""
        now = self.world.clock.now()
        for each in list(self.subscriptions.values()):
            if each.status == Status.ENDING and each.ends <= now:
                self._end(each)
            elif each.status == Status.ACTIVE and each.ends <= now:
                self._renew(each, now)

    def _renew(self, going: Subscription, now: float) -> None:
        while going.ends <= now:
            going = replace(going, starts=going.ends, ends=going.ends + PERIOD_S)
            self._keep(going, "SUBSCRIPTION_UPDATE")

    def _end(self, going: Subscription) -> None:
        ends = min(going.ends, self.world.clock.now())
        self._keep(replace(going, status=Status.INACTIVE), "SUBSCRIPTION_UPDATE")
        self._keep_entitlement(replace(self.entitlements[going.entitlement], ends=ends))

    def _grant(self, bought: Entitlement) -> Entitlement:
        self.entitlements[bought.id] = bought
        self._tell("ENTITLEMENT_CREATE", goods.entitlement(bought), bought.user)
        return bought

    def _keep_entitlement(self, changed: Entitlement) -> None:
        self.entitlements[changed.id] = changed
        self._tell("ENTITLEMENT_UPDATE", goods.entitlement(changed), changed.user)

    def _keep(self, going: Subscription, name: str) -> Subscription:
        self.subscriptions[going.id] = going
        self._tell(name, goods.subscription(going), going.user)
        return going

    def _tell(self, name: str, data: Json, buyer: str | None) -> None:
        self.world.emit(Event(name, data, only_for=buyer))

    def _id(self) -> str:
        return self.world.snowflakes.next()
