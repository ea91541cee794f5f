import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from farm.engine.cohort import Cohort, Denoised
from farm.engine.inspection import blocked
from farm.engine.memory.pool import Pool
from farm.engine.messages import (
    Failed,
    Finding,
    GivenBack,
    Inspect,
    Inspected,
    Loading,
    Picture,
    Preview,
    Rendered,
    Stepped,
)
from farm.engine.trajectory import State
from shared.catalog import Catalog
from shared.spec import RenderSpec, Variation, WeightedText
from tests.farm.engine.desk import PROMPTS, Desk, Willing, recipe

NewDesk = Callable[..., Desk]

MIXED = {
    "one": recipe(PROMPTS[0], steps=8),
    "two": recipe(PROMPTS[1], seed=11, guidance=1.0, sampler="euler-a", steps=5),
    "three": recipe(PROMPTS[2], seed=23, sampler="heun", steps=4, guidance=7.0, images=1),
    "four": recipe(PROMPTS[3], seed=31, sampler="unipc", negative="stars"),
    "wide": recipe(PROMPTS[0], seed=5, width=96, sampler="lcm", steps=3, images=1),
}


def hashes(rendered: Rendered) -> list[str]:
    return [picture.sha256 for picture in rendered.pictures]


@pytest.fixture(scope="module")
def alone(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each job of MIXED draws when nothing runs beside it."""
    desk = Desk(pool, tmp_path_factory.mktemp("alone"))
    return {name: hashes(desk.render(spec, name)) for name, spec in MIXED.items()}


# --- many jobs, one forward ------------------------------------------------------------------


def test_jobs_that_join_at_any_step_draw_what_they_draw_alone(
    desk: Desk, alone: dict[str, list[str]]
) -> None:
    for name, spec in MIXED.items():
        desk.admit(spec, name)
        desk.steps(1)
    desk.finish()
    assert {name: hashes(desk.rendered(name)) for name in MIXED} == alone


def test_rows_of_several_jobs_share_forwards(desk: Desk) -> None:
    """Counted, not timed: four jobs of one shape take the forwards of the longest."""
    for name in ("a", "b", "c", "d"):
        desk.admit(recipe(images=2, steps=6), name)
    desk.finish()
    assert desk.engine.counts["forwards"] == 6
    assert desk.engine.counts["rows"] == 6 * 16


def test_without_guidance_there_is_no_unconditional_row(desk: Desk) -> None:
    desk.render(recipe(guidance=1.0, images=2, steps=3))
    assert desk.engine.counts["rows"] == 3 * 2


def test_a_small_cap_changes_nothing_but_time(
    new_desk: NewDesk, alone: dict[str, list[str]]
) -> None:
    desk = new_desk(rows=3)
    for name in ("one", "four"):
        desk.admit(MIXED[name], name)
    desk.finish()
    assert {name: hashes(desk.rendered(name)) for name in ("one", "four")} == {
        name: alone[name] for name in ("one", "four")
    }


def test_a_higher_speed_takes_the_next_step_and_the_parked_one_loses_nothing(
    new_desk: NewDesk, alone: dict[str, list[str]]
) -> None:
    desk = new_desk(rows=4)
    desk.admit(MIXED["one"], "one", rank=2)
    desk.steps(3)
    desk.admit(MIXED["four"], "four", rank=0)
    desk.steps(1)
    relaxed, turbo = desk.engine.running["one"], desk.engine.running["four"]
    assert [one.step for one in turbo.trajectories] == [1, 1]
    assert [one.step for one in relaxed.trajectories] == [3, 3]
    desk.finish()
    assert hashes(desk.rendered("one")) == alone["one"]
    assert hashes(desk.rendered("four")) == alone["four"]


def test_the_same_seed_gives_the_same_picture_in_a_job_of_one(desk: Desk) -> None:
    both = hashes(desk.render(recipe(images=2)))
    assert hashes(desk.render(recipe(images=1, seed=8))) == both[1:]


def test_a_job_dropped_in_the_middle_leaves_the_others_alone(
    desk: Desk, alone: dict[str, list[str]]
) -> None:
    desk.admit(MIXED["one"], "one")
    desk.admit(MIXED["two"], "two")
    desk.steps(2)
    desk.engine.drop("two", forget=True)
    desk.finish()
    assert hashes(desk.rendered("one")) == alone["one"]
    assert not any(isinstance(one, Rendered) and one.job_id == "two" for one in desk.sent)


# --- accounts and messages -------------------------------------------------------------------


def test_the_shares_of_all_jobs_add_up_to_the_time_of_the_loop(desk: Desk) -> None:
    """On a clock that only moves while the model works, every moment is somebody's."""
    now = 0.0
    desk.engine.clock = lambda: now
    family = desk.engine.pool.get("postcards").family
    denoise = family.denoise

    def timed(*asked: Any) -> Tensor:
        nonlocal now
        now += 1.0
        return denoise(*asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family, "denoise", timed)
        for name in ("one", "two", "three"):
            desk.admit(MIXED[name], name)
        jobs = list(desk.engine.running.values())
        desk.finish()
    assert sum(job.gpu_ms - job.decode_ms for job in jobs) == pytest.approx(now * 1e3)
    assert all(job.decode_ms > 0 for job in jobs)


def test_guidance_costs_twice_the_rows(desk: Desk) -> None:
    desk.admit(recipe(guidance=4.0, images=1), "guided")
    desk.admit(recipe(guidance=1.0, images=1), "plain")
    desk.steps(3)
    guided, plain = desk.engine.running["guided"], desk.engine.running["plain"]
    assert guided.gpu_ms == pytest.approx(2 * plain.gpu_ms)


def test_progress_is_honest_and_ends_at_the_last_step(desk: Desk) -> None:
    desk.engine.clock = iter(range(10**6)).__next__
    desk.render(recipe(sampler="heun", steps=5))
    told = [one for one in desk.sent if isinstance(one, Stepped)]
    assert [one.step for one in told] == sorted(one.step for one in told)
    assert (told[-1].step, told[-1].steps) == (5, 5)


def test_pictures_name_their_seed_their_size_and_their_hash(desk: Desk) -> None:
    rendered = desk.render(recipe(height=96, seed=2**32 - 1))
    assert [one.seed for one in rendered.pictures] == [2**32 - 1, 0]
    assert all(len(one.rgb) == 64 * 96 * 3 for one in rendered.pictures)
    assert [one.sha256 for one in rendered.findings] == hashes(rendered)
    assert rendered.gpu_ms > 0


def test_previews_come_filtered_and_look_like_the_picture(desk: Desk) -> None:
    desk.admit(recipe(steps=8), preview_every=3)
    desk.steps(3)
    desk.settle()
    desk.steps(3)
    desk.settle()
    desk.finish()
    rendered = desk.rendered()
    previews = [one for one in desk.sent if isinstance(one, Preview)]
    assert [preview.step for preview in previews] == [3, 6]
    for preview in previews:
        assert [one.sha256 for one in preview.findings] == [p.sha256 for p in preview.pictures]
    assert difference(previews[-1].pictures[0], rendered.pictures[0]) < 25


@pytest.mark.parametrize("strict", [False, True])
def test_every_picture_of_a_prompt_from_the_grey_zone_is_judged_strictly(
    new_desk: NewDesk, strict: bool
) -> None:
    """Previews, the pictures themselves, and what was only shown to the filter."""
    asked: list[bool] = []

    class Noting(Willing):
        def inspect(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Finding]:
            asked.append(strict)
            return super().inspect(pictures)

    desk = new_desk(open_filter=lambda _: Noting())
    drawn = desk.render(recipe(steps=2, images=1), preview_every=1, strict=strict)
    desk.engine.inspect(Inspect("tile", drawn.pictures, strict=strict))
    desk.settle()
    assert len(asked) >= 3
    assert set(asked) == {strict}


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m-karras", "euler", "euler-a", "heun", "unipc"])
def test_the_estimate_meets_the_picture_at_the_end(desk: Desk, sampler: str) -> None:
    """The same formula serves every sampler, however it scales its latents."""
    desk.admit(recipe(sampler=sampler, steps=8, images=1), preview_every=6)
    while desk.engine.running["job"].step < 6:
        desk.engine.step()
    desk.settle()
    desk.finish()
    preview = next(one for one in desk.sent if isinstance(one, Preview))
    assert difference(preview.pictures[0], desk.rendered().pictures[0]) < 10


def test_no_preview_while_others_wait_for_rows(new_desk: NewDesk) -> None:
    desk = new_desk(rows=4)
    desk.admit(recipe(), "a", preview_every=1)
    desk.admit(recipe(), "b", preview_every=1)
    desk.steps(3)
    assert not any(isinstance(one, Preview) for one in desk.sent)


def test_a_cold_checkpoint_is_announced(catalog: Catalog, tmp_path: Path) -> None:
    desk = Desk(Pool(catalog, device="cpu"), tmp_path)
    rendered = desk.render(recipe(steps=1, images=1))
    assert desk.sent[0] == Loading("job", "postcards")
    assert rendered.load_ms > 0


def test_pictures_from_elsewhere_are_inspected_too(desk: Desk) -> None:
    pictures = desk.render(recipe(steps=1)).pictures
    desk.engine.inspect(Inspect("tile", pictures))
    desk.finish()
    answer = next(one for one in desk.sent if isinstance(one, Inspected))
    assert [one.sha256 for one in answer.findings] == [one.sha256 for one in pictures]


def difference(left: Picture, right: Picture) -> float:
    a, b = (
        torch.frombuffer(bytearray(one.rgb), dtype=torch.uint8).float() for one in (left, right)
    )
    return (a - b).abs().mean().item()


# --- texts and variations --------------------------------------------------------------------


def test_one_part_is_the_same_at_any_weight(desk: Desk) -> None:
    heavy = recipe(texts=(WeightedText(PROMPTS[0], 3.0),))
    assert hashes(desk.render(heavy)) == hashes(desk.render(recipe()))


def test_parts_are_blended_by_their_share(pool: Pool) -> None:
    family = pool.get("postcards").family
    blend = family.encode(recipe(texts=(WeightedText("a cat", 3.0), WeightedText("a boat", 1.0))))
    cat, boat = (family.encode(recipe(text)).towards["texts"] for text in ("a cat", "a boat"))
    torch.testing.assert_close(blend.towards["texts"], 0.75 * cat + 0.25 * boat)


def test_a_negative_part_joins_the_negative_prompt(pool: Pool) -> None:
    family = pool.get("postcards").family
    texts = (WeightedText("a cat"), WeightedText("a boat", -0.5))
    ours, theirs = (
        family.encode(recipe(texts=texts, negative="rain")).against,
        family.encode(recipe("a cat", negative="rain, a boat")).against,
    )
    assert ours is not None
    assert theirs is not None
    assert torch.equal(ours["texts"], theirs["texts"])


def test_a_variation_leans_from_its_parent_by_its_strength(desk: Desk) -> None:
    parent = desk.render(recipe(images=1, steps=8)).pictures[0]

    def varied(strength: float) -> Picture:
        spec = recipe(images=1, steps=8, variation=Variation(seed=99, strength=strength))
        return desk.render(spec).pictures[0]

    subtle, strong = varied(0.1), varied(0.8)
    assert varied(0.0).sha256 == parent.sha256
    assert 0 < difference(subtle, parent) < difference(strong, parent)
    assert subtle.seed == 99


def test_a_variation_of_a_variation_starts_where_its_parent_ended(desk: Desk) -> None:
    first = recipe(images=2, variation=Variation(seed=50, strength=0.6))
    parent = hashes(desk.render(first))[1]
    again = recipe(images=1, variation=Variation(seed=9, strength=0.0, earlier=((51, 0.6),)))
    assert hashes(desk.render(again)) == [parent]


def test_variations_of_one_parent_differ_from_each_other(desk: Desk) -> None:
    spec = recipe(images=3, variation=Variation(seed=1, strength=0.5))
    assert len(set(hashes(desk.render(spec)))) == 3


# --- when it goes wrong ----------------------------------------------------------------------


def poison(desk: Desk, job_id: str, place: int = 0) -> None:
    one = desk.engine.running[job_id].trajectories[place]
    one.leave()
    one.own = State(torch.full_like(one.own.latents, float("nan")), one.own.past)
    desk.engine.cohorts.clear()


def test_a_row_that_is_no_number_fails_its_job_and_no_other(
    desk: Desk, alone: dict[str, list[str]]
) -> None:
    desk.admit(MIXED["one"], "one")
    desk.admit(MIXED["four"], "four")
    desk.steps(2)
    poison(desk, "four")
    while not desk.engine.running["four"].trajectories[0].retried:
        desk.steps(1)
        desk.settle()
    poison(desk, "four")
    desk.finish()
    assert hashes(desk.rendered("one")) == alone["one"]
    failed = desk.failed("four")
    assert (failed.code, failed.retryable) == ("not_finite", False)


def test_a_picture_that_broke_is_drawn_again_alone_and_in_higher_precision(
    desk: Desk, alone: dict[str, list[str]]
) -> None:
    desk.admit(MIXED["four"], "four")
    desk.steps(3)
    poison(desk, "four", place=1)
    untouched = desk.engine.running["four"].trajectories[0]
    desk.finish()
    first, second = desk.rendered("four").pictures
    assert untouched.step == 6, "its neighbour went on where it was"
    assert first.sha256 == alone["four"][0]
    assert second.sha256 != alone["four"][1], "float64 rounds otherwise here and there"
    again = Desk(desk.engine.pool, desk.folder.root).render(MIXED["four"], "four")
    assert difference(second, again.pictures[1]) < 1


def test_a_device_that_breaks_one_picture_after_another_is_sick(desk: Desk) -> None:
    for name in ("a", "b", "c"):
        assert not desk.engine.sick
        desk.admit(MIXED["four"], name)
        desk.steps(1)
        poison(desk, name)
        while not desk.engine.running[name].trajectories[0].retried:
            desk.steps(1)
            desk.settle()
        poison(desk, name)
        desk.finish()
    assert desk.engine.sick


def test_one_good_picture_proves_the_device(desk: Desk) -> None:
    desk.engine.broken_in_a_row = 2
    desk.render(recipe(steps=1))
    assert desk.engine.broken_in_a_row == 0


def test_in_half_precision_it_is_drawn_once_more_in_full(
    catalog: Catalog, pool: Pool, tmp_path: Path, alone: dict[str, list[str]]
) -> None:
    desk = Desk(Pool(catalog, device="cpu", dtype=torch.bfloat16), tmp_path)
    desk.admit(MIXED["one"], "one")
    desk.steps(2)
    poison(desk, "one")
    desk.finish()
    assert hashes(desk.rendered("one"))[0] == alone["one"][0]


def test_a_picture_that_decodes_to_no_number_fails(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(family: object, latents: Tensor) -> Tensor:
        raise ArithmeticError

    monkeypatch.setattr(type(desk.engine.pool.get("postcards").family), "decode", broken)
    desk.admit(recipe(steps=1))
    desk.finish()
    assert desk.failed().code == "not_finite"


def limit_rows(monkeypatch: pytest.MonkeyPatch, limit: int, problem: Exception) -> list[int]:
    """Forwards of more trajectories than `limit` raise; returns the sizes that went through."""
    sizes: list[int] = []
    denoise = Cohort.denoise

    def limited(cohort: Cohort) -> Denoised:
        if len(cohort.members) > limit:
            raise problem
        sizes.append(len(cohort.members))
        return denoise(cohort)

    monkeypatch.setattr(Cohort, "denoise", limited)
    return sizes


def test_out_of_memory_splits_the_batch_and_lowers_the_cap(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, alone: dict[str, list[str]]
) -> None:
    sizes = limit_rows(monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory"))
    for name in ("one", "four"):
        desk.admit(MIXED[name], name)
    desk.finish()
    assert hashes(desk.rendered("one")) == alone["one"]
    assert hashes(desk.rendered("four")) == alone["four"]
    assert desk.engine.ladder.rows == 4
    assert max(sizes) == 2


def test_too_large_for_the_device_is_for_another_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_rows(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory"))
    desk.admit(recipe())
    desk.finish()
    assert (desk.failed().code, desk.failed().retryable) == ("too_large_for_device", True)


def test_an_error_of_one_job_in_a_shared_forward_fails_it_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, alone: dict[str, list[str]]
) -> None:
    desk.admit(MIXED["one"], "one")
    desk.admit(MIXED["four"], "four")
    cursed = desk.engine.running["four"].trajectories[1]
    denoise = Cohort.denoise

    def explode(cohort: Cohort) -> Denoised:
        if cursed in cohort.members:
            raise RuntimeError("a kernel of this job")
        return denoise(cohort)

    monkeypatch.setattr(Cohort, "denoise", explode)
    desk.finish()
    assert hashes(desk.rendered("one")) == alone["one"]
    assert (desk.failed("four").code, desk.failed("four").retryable) == ("render_failed", True)


def test_a_sampler_that_breaks_fails_its_job_alone(desk: Desk, alone: dict[str, list[str]]) -> None:
    desk.admit(MIXED["one"], "one")
    desk.admit(MIXED["four"], "four")
    for one in desk.engine.running["four"].trajectories:
        one.leg.sampler.probed = cache(lambda: None)  # so that the scheduler itself takes the steps
    desk.steps(1)
    desk.engine.running["four"].trajectories[0].leg.sampler.scheduler.sigmas = None
    desk.finish()
    assert hashes(desk.rendered("one")) == alone["one"]
    assert desk.failed("four").code == "render_failed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"checkpoint": "nowhere"}, "unknown_checkpoint"),
        ({"sampler": "magic"}, "unknown_sampler"),
        ({"steps": 0}, "bad_spec"),
        ({"images": 99}, "bad_spec"),
        ({"width": 60}, "bad_spec"),
        ({"width": 0}, "bad_spec"),
        ({"texts": (WeightedText("a cat", -1.0),)}, "bad_spec"),
        ({"sampler": "lcm", "steps": 60}, "unsuitable_steps"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_reason(
    desk: Desk, changes: dict[str, Any], code: str
) -> None:
    desk.admit(recipe(**changes))
    assert (desk.failed().code, desk.failed().retryable) == (code, False)
    assert desk.failed().sentence
    assert desk.engine.idle


def test_a_recipe_that_cannot_be_read_is_refused(desk: Desk) -> None:
    from farm.engine.messages import Render

    desk.engine.admit(Render("job", 1, {"checkpoint": "postcards", "texts": 3}))
    desk.settle()
    assert desk.failed().code == "bad_spec"


def test_a_filter_that_fails_blocks_every_picture(
    new_desk: NewDesk, caplog: pytest.LogCaptureFixture
) -> None:
    def closed(name: str) -> Any:
        raise OSError("no weights")

    with caplog.at_level(logging.CRITICAL):
        desk = new_desk(open_filter=closed)
        desk.admit(recipe(steps=3), preview_every=1)
        desk.steps(1)
        desk.settle()
        desk.finish()
    rendered = desk.rendered()
    assert rendered.findings == blocked(rendered.pictures)
    assert {one.decision for one in rendered.findings} == {"block"}
    previews = [one for one in desk.sent if isinstance(one, Preview)]
    assert previews
    assert all(found.decision == "block" for one in previews for found in one.findings)


def test_a_second_attempt_replaces_the_first(desk: Desk) -> None:
    desk.admit(recipe(), attempt=1)
    desk.steps(2)
    desk.admit(recipe(), attempt=2)
    desk.finish()
    assert [one.attempt for one in desk.sent if isinstance(one, Rendered)] == [2]


def test_a_drain_gives_every_job_back_at_its_step(desk: Desk, new_desk: NewDesk) -> None:
    specs: dict[str, RenderSpec] = {"one": MIXED["one"], "wide": MIXED["wide"]}
    for name, spec in specs.items():
        desk.admit(spec, name)
    desk.steps(4)
    desk.engine.drain()
    back = [one for one in desk.sent if isinstance(one, GivenBack)]
    assert {one.job_id for one in back} == set(specs)
    assert desk.given_back("one").step == 2, "two shapes take turns"
    assert not any(isinstance(one, Failed) for one in desk.sent)
    again = new_desk().render(specs["one"], "one", attempt=2)
    assert again.resumed_from == 2
