from farm.engine.memory.ladder import (
    GOOD_STEPS,
    LONGEST_WAIT,
    Ladder,
    Rung,
    Stand,
    after_good_step,
    after_oom,
    handed_back,
)


def well(ladder: Ladder, steps: int) -> None:
    for _ in range(steps):
        ladder.after_good_step()


def fallen(ladder: Ladder, *, rows: int = 8) -> list[Rung]:
    """Out of memory at every size, until the job is handed back."""
    tried = [ladder.after_oom(rows)]
    while tried[-1] is not Rung.HAND_BACK:
        tried.append(ladder.after_oom(ladder.rows or rows))
    return tried


def test_rungs_are_tried_from_the_cheapest_on() -> None:
    split = [Rung.SPLIT] * 3  # 8 to 4 to 2 to 1
    assert fallen(Ladder()) == [*split, Rung.TILED, Rung.OFFLOADED, Rung.HAND_BACK]


def test_a_batch_is_halved() -> None:
    ladder = Ladder()
    assert ladder.rows is None
    ladder.after_oom(9)
    assert ladder.rows == 4


def test_what_does_not_split_goes_on_to_tiles_and_leaves_the_rows_alone() -> None:
    ladder = Ladder()
    assert ladder.after_oom(4, splits=False) is Rung.TILED
    assert ladder.rows is None
    assert ladder.after_oom(4, splits=False) is Rung.OFFLOADED


def test_handing_one_job_back_leaves_the_others_where_they_were() -> None:
    ladder = Ladder()
    fallen(ladder)
    assert ladder.rung is Rung.OFFLOADED
    assert ladder.after_oom(1) is Rung.HAND_BACK


def test_after_enough_good_steps_it_climbs_down_one_rung_at_a_time() -> None:
    ladder = Ladder()
    fallen(ladder)
    seen = []
    for _ in range(3):
        well(ladder, GOOD_STEPS - 1)
        before = ladder.rung
        well(ladder, 1)
        assert ladder.rung == before - 1
        seen.append((ladder.rung, ladder.rows))
    assert seen == [(Rung.TILED, 2), (Rung.SPLIT, 4), (Rung.WHOLE, None)]


def test_each_relapse_doubles_the_patience_up_to_a_limit() -> None:
    ladder = Ladder()
    for relapse in range(9):
        ladder.after_oom(2)
        well(ladder, GOOD_STEPS * min(2**relapse, LONGEST_WAIT) - 1)
        before = ladder.rung
        well(ladder, 1)
        assert (before, ladder.rung) == (Rung.SPLIT, Rung.WHOLE)


def test_one_long_fall_is_one_relapse() -> None:
    stand = Stand()
    for rows in (16, 8, 4, 2):
        stand, _ = after_oom(stand, rows)
    assert stand.wait == 1
    stand, _ = after_oom(after_good_step(stand), 1)
    assert stand.wait == 2


def test_good_steps_without_trouble_change_nothing() -> None:
    assert after_good_step(Stand()) == Stand()


def test_who_is_handed_back_goes_to_a_larger_device() -> None:
    fault = handed_back("postcards")
    assert (fault.code, fault.retryable) == ("too_large_for_device", True)
    assert "larger GPU" in fault.sentence
