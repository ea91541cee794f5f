"""Ranks, and lists of hashes as people hand them over."""

from random import Random
from uuid import uuid4

import pytest
from pydantic import SecretStr

from shared.moderation import ranks
from shared.moderation.knownhashes import KnownHash, read
from shared.moderation.pseudonyms import is_pseudonym, mark_of, of_nobody
from shared.moderation.ranks import Moderator, Rank, rank_of


@pytest.mark.parametrize(
    ("permissions", "rank"),
    [
        (0, Rank.NONE),
        (ranks.ADMINISTRATOR, Rank.ADMIN),
        (ranks.MANAGE_GUILD, Rank.ADMIN),
        (ranks.MODERATE_MEMBERS, Rank.MODERATOR),
        (ranks.MANAGE_MESSAGES | 1, Rank.MODERATOR),
        (ranks.BAN_MEMBERS, Rank.MODERATOR),
        (1 << 11, Rank.NONE),
    ],
)
def test_permissions_of_discord_give_a_rank(permissions: int, rank: Rank) -> None:
    assert rank_of([], permissions, {}) is rank


def test_a_role_raises_and_never_lowers() -> None:
    staff = {"1": Rank.VIEWER, "2": Rank.MODERATOR}
    assert rank_of(["1"], 0, staff) is Rank.VIEWER
    assert rank_of(["1", "2", "3"], 0, staff) is Rank.MODERATOR
    assert rank_of(["1"], ranks.ADMINISTRATOR, staff) is Rank.ADMIN


def test_only_an_admin_without_a_server_is_the_operator() -> None:
    who = [(None, Rank.ADMIN), (None, Rank.MODERATOR), ("g", Rank.ADMIN)]
    assert [Moderator("1", "x", guild, rank).is_operator for guild, rank in who] == [
        True,
        False,
        False,
    ]


def test_a_list_of_hashes_is_read_and_its_bad_lines_are_named() -> None:
    noise = Random(5)
    md5, sha, pdq = (noise.randbytes(size).hex() for size in (16, 32, 32))
    text = f"algorithm,digest\nmd5,{md5.upper()}\nSHA-256, {sha}\npdq,{pdq},known\n\n# note\n"
    text += f"md5,{sha}\nsha256,xyz\nblake,{sha}\nalone\nmd5,{md5}\n"
    found = read("\ufeff" + text)
    wanted = [("md5", md5), ("sha256", sha), ("pdq", pdq)]
    assert found.hashes == tuple(KnownHash(*one) for one in wanted)
    assert found.bad == (7, 8, 9, 10)


def test_a_pseudonym_tells_nothing_and_only_the_key_makes_the_mark() -> None:
    pepper, other = SecretStr("pepper"), SecretStr("salt")
    assert is_pseudonym(of_nobody(uuid4()))
    assert not is_pseudonym("4711")
    assert mark_of("4711", pepper) == mark_of("4711", pepper)
    assert len({mark_of("4711", pepper), mark_of("4712", pepper), mark_of("4711", other)}) == 3
