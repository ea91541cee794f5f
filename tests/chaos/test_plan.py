"""The plan of a run: the same seed gives the same blows and wishes, and no kind of trouble is left out."""

from collections import Counter

from tests.chaos.plan import BOT, KINDS, blows
from tests.chaos.wishes import SHARES, wishes


def test_the_same_seed_is_the_same_run() -> None:
    assert blows(60, 7, bot=True) == blows(60, 7, bot=True)
    assert blows(60, 7, bot=True) != blows(60, 8, bot=True)
    assert wishes(500, 7) == wishes(500, 7)


def test_every_kind_strikes_and_what_stops_everybody_is_rare() -> None:
    for seed in range(20):
        found = Counter(blow.kind for blow in blows(200, seed, bot=True))
        assert found.keys() == {kind.name for kind in KINDS}
        assert sum(found.values()) == 200
        for kind in KINDS:
            assert found[kind.name] <= max(1, kind.most * 200)


def test_blows_are_spread_and_hit_who_is_there() -> None:
    found = blows(40, 3, bot=False)
    shares = [blow.at for blow in found]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.1 < 0.8 < shares[-1] < 1
    assert not [blow for blow in found if blow.target in BOT]


def test_wishes_are_told_apart_and_hold_every_kind_of_trouble() -> None:
    found = wishes(2000, 3)
    kinds = Counter(wish.kind for wish in found)
    assert kinds.keys() == {*SHARES, "boat"}
    assert kinds["kraken"] == 3
    assert len({wish.key for wish in found}) == len({wish.text for wish in found}) == 2000
