"""How many steps a picture takes: --steps, --quality, --draft and --stop within checkpoint and plan. Pure."""

from math import ceil

from shared.catalog import Checkpoint
from shared.errors import Refusal
from shared.parameterhelp import check_range
from shared.plans import Plan
from shared.prompt import Prompt

FEWEST_DRAWN = 2  # steps before --stop: after one even an image filter sees nothing it knows
DRAFT_SHARE = 0.5


def stop_of(prompt: Prompt, steps: int) -> float:
    """The share of `steps`, the steps that are drawn, after which the picture is taken as it is."""
    if prompt.stop is None:
        return 1.0
    check_range("stop", prompt.stop)
    if prompt.stop < 100 and round(steps * prompt.stop / 100) < FEWEST_DRAWN:
        raise _stopped_too_early(prompt.stop, steps)
    return prompt.stop / 100


def _stopped_too_early(stop: int, steps: int) -> Refusal:
    enough = (share for share in range(stop, 100) if round(steps * share / 100) >= FEWEST_DRAWN)
    least = next(enough, None)
    advice = f"Write --stop {least} or more" if least else "Leave it out"
    sentence = f"--stop {stop} of {steps} steps leaves one, and one shows nothing. {advice}."
    return Refusal("stopped_too_early", sentence, field="stop")


def steps_of(prompt: Prompt, checkpoint: Checkpoint, plan: Plan) -> int:
    if prompt.steps is not None and prompt.quality is not None:
        raise _steps_twice()
    wanted = prompt.steps
    if prompt.quality is not None:
        wanted = max(checkpoint.min_steps, round(checkpoint.steps * prompt.quality))
    if wanted is None:
        wanted = min(checkpoint.steps, plan.step_budget)
    check_range("steps", wanted)
    if wanted < checkpoint.min_steps:
        raise _too_few_steps(wanted, checkpoint)
    if prompt.draft:
        wanted = max(checkpoint.min_steps, ceil(wanted * DRAFT_SHARE))
    if wanted > plan.step_budget:
        raise _too_many_steps(prompt, wanted, plan)
    return wanted


def _steps_twice() -> Refusal:
    sentence = "--steps and --quality both set the steps. Keep one of them, for example --steps 20."
    return Refusal("conflicting_parameters", sentence, field="steps")


def _too_few_steps(wanted: int, checkpoint: Checkpoint) -> Refusal:
    least = checkpoint.min_steps
    asked = (
        f"--steps {wanted} is too few for {checkpoint.title}, which needs {least} to draw well. "
    )
    return Refusal("too_few_steps", f"{asked}Write --steps {least} or more.", field="steps")


def _too_many_steps(prompt: Prompt, wanted: int, plan: Plan) -> Refusal:
    by_steps = prompt.steps is not None
    asked = f"--steps {wanted}" if by_steps else f"--quality {prompt.quality:g} ({wanted} steps)"
    sentence = f"{asked} is more than the {plan.title} plan's {plan.step_budget} steps a picture. "
    fix = f"Write --steps {plan.step_budget} or fewer" + (
        "." if by_steps else ", or a lower --quality."
    )
    return Refusal("too_many_steps", sentence + fix, field="steps" if by_steps else "quality")
