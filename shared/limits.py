"""What an account may do now, and the sentence when it may not. Pure."""

from shared.errors import Refusal
from shared.jobs import Job, JobKind, JobState
from shared.moderation.scopes import EVERYWHERE, SAFETY
from shared.plans import Plan, Speed
from shared.waits import about

LINE_FULL, TOO_MANY_AT_ONCE = "too_many_waiting", "too_many_at_once"
_ENDED = {
    JobState.SUCCEEDED: "finished",
    JobState.FAILED: "failed",
    JobState.BLOCKED: "blocked by the image filter",
    JobState.CANCELLED: "cancelled",
}


def check_standing(standing: str) -> None:
    if standing != "good":
        sentence = (
            f"Your account is {standing}, so nothing can be drawn for it."
            " Ask a moderator of this server why."
        )
        raise Refusal(f"account_{standing}", sentence)


def check_welcome(banned_here: bool) -> None:
    if banned_here:
        sentence = "You are banned from drawing on this server. Ask one of its moderators why."
        raise Refusal("banned_here", sentence)


def check_pause(scope: str, reason: str) -> None:
    """Nothing is accepted in this scope: everywhere, safety or guild:<id>."""
    if scope == SAFETY:
        sentence = (
            "Pictor is paused for safety: a filter cannot answer, and without its answer nothing is "
            "drawn. What waits stays in line, and nothing was charged. The moderators are told."
        )
        raise Refusal("paused_for_safety", sentence)
    where = "Pictor is" if scope == EVERYWHERE else "Drawing on this server is"
    why = f" ({reason})" if reason else ""
    sentence = f"{where} paused by a moderator{why}. What waits stays in line; please try later."
    raise Refusal("paused", sentence)


def check_standing_now(standing: str | None) -> None:
    """None: its owner had it erased a moment ago."""
    if standing is None:
        raise Refusal("account_erased", "Your account was just deleted. Ask again to begin anew.")
    check_standing(standing)


def choose_speed(asked: Speed | None, usual: Speed | None, plan: Plan) -> Speed:
    """The one asked for, else the account's usual one if the plan (still) has it, else the plan's."""
    if asked is not None:
        check_speed(asked, plan)
        return asked
    return usual if usual in plan.speeds and usual is not None else plan.default_speed


def check_speed(speed: Speed, plan: Plan) -> None:
    if speed not in plan.speeds:
        has = ", ".join(one.value for one in plan.speeds)
        sentence = f"The {plan.title} plan has no {speed.value} speed. It has: {has}."
        raise Refusal("speed_not_in_plan", sentence, field="speed")


def check_jobs(jobs: int, plan: Plan) -> None:
    """Of one ask: choices times repeats."""
    most = max(plan.max_permutations, plan.max_repeat)
    if jobs > most:
        sentence = (
            f"This makes {jobs} jobs, and the {plan.title} plan makes {most} at once at most."
            " Write fewer choices, or a smaller --repeat."
        )
        raise Refusal("too_many_jobs", sentence, field="repeat")


def check_many(jobs: int, speed: Speed, plan: Plan) -> None:
    """Several jobs of one ask are for the speeds that the plan has for them."""
    if jobs > 1 and speed not in plan.many_at:
        usable = [one for one in plan.many_at if one in plan.speeds]
        fix = f"Add --{usable[-1]}" if usable else "Ask for one at a time"
        sentence = f"{jobs} jobs at once are not drawn at {speed.value} speed. {fix}."
        raise Refusal("many_at_this_speed", sentence, field="speed")


def check_waiting(waiting: int, more: int, plan: Plan) -> None:
    most, field = plan.max_waiting, "repeat" if more > 1 else None
    allows = f"the {plan.title} plan allows no more than {most}"
    if more > most:
        sentence = f"This would be {more} waiting jobs at once; {allows}."
        raise Refusal(TOO_MANY_AT_ONCE, sentence, field=field)
    if waiting + more > most:
        adds = f" and this would add {more}" if more > 1 else ""
        sentence = (
            f"{waiting} of {most} are waiting{adds}; {allows}."
            " Cancel one with /cancel, or wait until one starts."
        )
        raise Refusal(LINE_FULL, sentence, field=field)


def with_next_start(full: Refusal, start_s: float | None) -> Refusal:
    """A full line, and when its first one starts, if anybody knows."""
    if start_s is None:
        return full
    sentence = f"{full.sentence} The next starts in {about(start_s, start_s)}."
    return Refusal(full.code, sentence, field=full.field)


def check_steps(steps: int, plan: Plan) -> None:
    """For a recipe from before: the plan may be a smaller one now."""
    if steps > plan.step_budget:
        sentence = (
            f"That picture took {steps} steps and the {plan.title} plan has {plan.step_budget}."
            f" Use /imagine with --steps {plan.step_budget} or fewer."
        )
        raise Refusal("too_many_steps", sentence, field="steps")


def check_own(job: Job | None, account_id: object) -> Job:
    if job is None:
        raise unknown_job()
    if job.account_id != account_id:
        sentence = "That job is somebody else's. Use /imagine to make one of your own."
        raise Refusal("not_yours", sentence, field="job")
    return job


def unknown_job() -> Refusal:
    """Also where it is somebody else's, and nobody is to know that it is one."""
    return Refusal("unknown_job", "There is no such job here.", field="job")


def check_drawn(job: Job) -> None:
    if not job.state.terminal:
        sentence = (
            "That job is not finished yet. Its buttons work as soon as its pictures are there."
        )
        raise Refusal("not_finished", sentence, field="job")
    if job.state is not JobState.SUCCEEDED:
        sentence = f"That job was {_ENDED[job.state]}, so there is no picture to go on from."
        if job.state is JobState.FAILED:
            sentence = "That job failed, so there is no picture to go on from."
        raise Refusal("no_pictures", sentence, field="job")


def already_finished(job: Job) -> Refusal:
    was = "" if job.state in (JobState.SUCCEEDED, JobState.FAILED) else "was "
    sentence = f"That job {was}{_ENDED[job.state]} already; there is nothing left to cancel."
    return Refusal("already_finished", sentence, field="job")


def no_such_picture(job: Job) -> Refusal:
    sentence = f"That grid has the pictures 1 to {job.spec.images}."
    if job.kind is JobKind.UPSCALE:
        sentence = "That is a single picture."
    return Refusal("no_such_picture", sentence, field="index")


def relax_hint(plan: Plan, speed: Speed) -> str:
    """What else to do when credit is out."""
    if speed is Speed.RELAX or Speed.RELAX not in plan.speeds:
        return ""
    return "Add --relax to wait a little longer and pay nothing."
