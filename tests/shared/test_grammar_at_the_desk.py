"""The whole grammar once through the front desk: what is typed is what is kept of the job."""

from itertools import count
from typing import Any

import pytest

from shared.admission import FrontDesk, Person, Submission
from shared.errors import Refusal
from shared.jobs import Visibility
from shared.spec import LoraUse

BO = Person("2", "Bo", "pro")
_keys = count(1)


def asked(text: str, **fields: Any) -> Submission:
    return Submission(text, BO, None, f"grammar-{next(_keys)}", **fields)


async def test_styles_codes_versions_and_loras_reach_the_recipe(desk: FrontDesk) -> None:
    typed = "a red boat --style neon --s 50 --sref random --v newest --draft --chaos 20 --stealth"
    receipt = await desk.submit(asked(typed))
    (job,) = receipt.jobs
    (code,) = job.spec.style_codes
    assert job.prompt == typed.replace("random", str(code))
    assert any(f"--sref {code} gives it again" in notice for notice in receipt.notices)
    assert (job.spec.checkpoint, job.spec.steps, job.spec.chaos) == ("postcards", 6, 0.2)
    assert job.visibility is Visibility.STEALTH
    assert {use.name for use in job.spec.loras} == {"neon", "sepia"}


async def test_choices_are_jobs_of_their_own_in_order(desk: FrontDesk) -> None:
    typed = "a {red, green} boat --lora {sepia, neon:.5}"
    receipt = await desk.submit(asked(typed, confirmed=True))
    told = [(job.prompt, job.spec.loras) for job in receipt.jobs]
    sepia, neon = (LoraUse("sepia"),), (LoraUse("neon", 0.5),)
    assert told == [
        ("a red boat --lora sepia", sepia),
        ("a red boat --lora neon:.5", neon),
        ("a green boat --lora sepia", sepia),
        ("a green boat --lora neon:.5", neon),
    ]


async def test_what_is_not_there_is_refused(desk: FrontDesk) -> None:
    for typed, code in (
        ("a boat --v 7", "unknown_version"),
        ("a boat --niji", "unknown_version"),
        ("a boat --style cute", "unknown_style"),
        ("a boat --lora ink", "unknown_adapter"),
        ("a boat " + "{a, b}" * 12, "too_many_permutations"),
    ):
        with pytest.raises(Refusal) as refused:
            await desk.submit(asked(typed))
        assert refused.value.code == code


async def test_an_error_of_one_choice_says_of_which(desk: FrontDesk) -> None:
    with pytest.raises(Refusal) as refused:
        await desk.submit(asked("a boat --ar {3:2, 16/9}"))
    told = "In the prompt “a boat --ar 16/9”: --ar takes width:height"
    assert refused.value.sentence.startswith(told)
    assert "(character 13)" in refused.value.sentence
