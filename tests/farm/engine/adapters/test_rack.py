"""Which of the LoRAs that people brought hang on a family: the last few, and all that somebody holds."""

from farm.engine.adapters.rack import Rack


class Bank:
    def __init__(self) -> None:
        self.names: list[str] = []

    def remove(self, name: str) -> None:
        self.names.remove(name)


class Family:
    def __init__(self) -> None:
        self.unet, self.text_encoder = Bank(), Bank()
        self.loras = {"unet": self.unet, "text_encoder": self.text_encoder}

    def put(self, rack: Rack, name: str) -> None:
        for bank in self.loras.values():
            bank.names.append(name)
        rack.hung(self, name)


def test_the_oldest_makes_room_in_every_bank() -> None:
    rack, family = Rack(most=2), Family()
    for name in "abc":
        family.put(rack, name)
    assert family.unet.names == family.text_encoder.names == ["b", "c"]


def test_what_is_held_stays_and_another_goes() -> None:
    rack, family = Rack(most=2), Family()
    held = rack.hold(["a"])
    for name in "abc":
        family.put(rack, name)
    assert family.unet.names == ["a", "c"]
    del held
    family.put(rack, "d")
    assert family.unet.names == ["c", "d"]


def test_all_that_are_held_stay_however_many() -> None:
    rack, family = Rack(most=2), Family()
    held = rack.hold("abcde")
    for name in "abcde":
        family.put(rack, name)
    assert family.unet.names == [*"abcde"]
    del held
    family.put(rack, "f")
    assert family.unet.names == ["e", "f"]


def test_one_is_dropped_from_every_family_unless_somebody_holds_it() -> None:
    rack, one, two = Rack(), Family(), Family()
    for family in (one, two):
        family.put(rack, "a")
    held = rack.hold(["a"])
    assert not rack.drop("a")
    assert one.unet.names == two.unet.names == ["a"]
    del held
    assert rack.drop("a")
    assert one.unet.names == two.unet.names == []
    assert rack.drop("a")


def test_a_family_that_is_gone_is_not_kept() -> None:
    rack, family = Rack(), Family()
    family.put(rack, "a")
    del family
    assert rack.drop("a")
