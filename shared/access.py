"""Whether somebody may draw this here now, and by which line: one table of rules for bot and API alike. Pure.

Each rule looks at a question and says yes, no, or nothing. The first no decides; else the last yes, which is
the most particular one. `line` names the rule as people can look it up.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from shared import limits
from shared.errors import Refusal
from shared.guilds import EVERYONE, SLOWEST_FIRST, GuildSettings, Limits, Mature
from shared.plans import Plan, PlanBook, Speed

OPEN = GuildSettings()
NOTHING_AGAINST = "no rule stands against it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is left out is not asked about. `pause` is a scope and a reason; `roles` are ids of the server's.

    `model` is a checkpoint, `adapters` are LoRAs and such; `jobs` would be made at once, while `waiting`
    wait; `steps` are of one picture, and only if somebody named them. `mature`: what only the wider
    threshold of an age-restricted channel lets through.
    """

    plan: Plan
    settings: GuildSettings = OPEN
    roles: Collection[str] = ()
    standing: str = "good"
    banned_here: bool = False
    pause: tuple[str, str] | None = None
    channel_id: str | None = None
    parent_id: str | None = None
    age_restricted: bool = False
    model: str = ""
    adapters: tuple[str, ...] = ()
    speed: Speed | None = None
    stealth: bool = False
    mature: bool = False
    jobs: int = 0
    waiting: int = 0
    steps: int = 0

    @property
    def limits(self) -> Limits:
        return self.settings.limits_of(self.roles)


@dataclass(frozen=True, slots=True)
class Decision:
    """`sentence` is for whoever was denied: the line and what to do; `field` is what they would change."""

    allowed: bool
    line: str
    code: str = ""
    sentence: str = ""
    field: str | None = field(default=None, compare=False)

    def check(self) -> None:
        """Refusal when it is denied."""
        if not self.allowed:
            raise Refusal(self.code, self.sentence, field=self.field)


Rule = Callable[[Question], Decision | None]


def decide(question: Question) -> Decision:
    found = [said for rule in RULES if (said := rule(question)) is not None]
    denied = next((one for one in found if not one.allowed), None)
    return denied or (found[-1] if found else _yes(NOTHING_AGAINST))


def weighed(question: Question) -> list[Decision]:
    """What every rule that has something to say says, in the order in which they decide."""
    return [said for rule in RULES if (said := rule(question)) is not None]


def within(question: Question) -> Plan:
    """The plan as far as the server lets it reach: what was not asked for by name stays below its limits."""
    plan, most = question.plan, question.limits
    speeds = tuple(one for one in plan.speeds if _no_faster(one, most.speed)) or plan.speeds
    usual = plan.default_speed
    return replace(
        plan,
        speeds=speeds,
        default_speed=usual if usual in speeds else max(speeds, key=SLOWEST_FIRST.index),
        step_budget=_least(plan.step_budget, most.steps),
        max_waiting=_least(plan.max_waiting, most.waiting),
        max_repeat=_least(plan.max_repeat, most.jobs),
        max_permutations=_least(plan.max_permutations, most.jobs),
    )


def usual_model(question: Question, names: Iterable[str]) -> str:
    """Of what nobody asked for by name: the server's own, else the first of `names` that is allowed."""
    wanted = [name for name in (question.settings.default_model, *names) if name]
    for name in wanted:
        if decide_model(replace(question, model=name)).allowed:
            return name
    return wanted[0]


def decide_model(question: Question) -> Decision:
    """By what is said of checkpoints alone."""
    found = [said for rule in (_plan_model, _server_model) if (said := rule(question)) is not None]
    denied = next((one for one in found if not one.allowed), None)
    return denied or (found[-1] if found else _yes(NOTHING_AGAINST))


def adapter_plan(name: str, needed: str, plan: Plan, book: PlanBook) -> Decision:
    """Whether the catalog keeps an adapter for a weightier plan. Of a plan that is not there: nobody's."""
    if not needed:
        return _yes(f"catalog: {name} is for every plan")
    kept = book.plans.get(needed)
    title = kept.title if kept else needed
    line = f"catalog: {name} is for the {title} plan and above"
    if kept is not None and plan.weight >= kept.weight:
        return _yes(line)
    sentence = (
        f"“{name}” is for the {title} plan and above; yours is {plan.title}. "
        "Choose another one, or look at /subscribe."
    )
    return Decision(False, line, "adapter_not_in_plan", sentence, "model")


def _standing(question: Question) -> Decision | None:
    if question.standing == "good":
        return None
    line = f"account standing: {question.standing}"
    return _as_refused(line, lambda: limits.check_standing(question.standing))


def _ban(question: Question) -> Decision | None:
    if not question.banned_here:
        return None
    line = "a ban on this server"
    return _as_refused(line, lambda: limits.check_welcome(question.banned_here))


def _pause(question: Question) -> Decision | None:
    if question.pause is None:
        return None
    scope, reason = question.pause
    line = f"pause `{scope.partition(':')[0]}`"
    return _as_refused(line, lambda: limits.check_pause(scope, reason))


def _channel(question: Question) -> Decision | None:
    allowed = question.settings.channels
    if not allowed:
        return None
    named = ", ".join(f"<#{one}>" for one in allowed[:10])
    line = f"server setting `channels`: drawing is allowed in {named} only"
    if question.channel_id in allowed or question.parent_id in allowed:
        return _yes(line)
    return _no("channel_closed", line, "Ask there.")


def _stealth(question: Question) -> Decision | None:
    if not question.stealth:
        return None
    if not question.settings.stealth:
        line = "server setting `stealth`: every picture here is public"
        return _no("stealth_closed", line, "Write --public, or ask in a message to me.", "stealth")
    if not question.plan.stealth:
        line = f"plan {question.plan.title}: stealth = no"
        return _no("stealth_not_in_plan", line, "Write --public.", "stealth")
    return _yes(f"plan {question.plan.title}: stealth = yes")


def _mature(question: Question) -> Decision | None:
    if not question.mature:
        return None
    if question.settings.nsfw is Mature.NEVER:
        line = "server setting `nsfw`: never, whatever a channel's mark says"
        return _no("nsfw_closed", line, "Use other words.")
    if not question.age_restricted:
        line = "server setting `nsfw`: only where a channel is marked as age-restricted"
        return _no("nsfw_closed", line, "Ask in such a channel.")
    return _yes("server setting `nsfw`: this channel is marked as age-restricted")


def _plan_model(question: Question) -> Decision | None:
    if not question.model:
        return None
    line = f"plan {question.plan.title}: models = {', '.join(question.plan.models or ('all',))}"
    if question.plan.allows(question.model):
        return _yes(line)
    return _no("model_not_in_plan", line, f"“{question.model}” is not among them.", "model")


def _server_model(question: Question) -> Decision | None:
    rules = question.settings.models
    named = [one for one in (question.model, *question.adapters) if one in rules]
    told = [_model_line(one, rules[one]) for one in named]
    for name, line in zip(named, told, strict=True):
        if not _is_among(question, rules[name]):
            return _no("model_closed", line, "Choose another one.", "model")
    return _yes(told[-1]) if told else None


def _model_line(name: str, who: Collection[str]) -> str:
    shown = " and ".join(map(_who, who)) if who else "nobody"
    return f"server setting `models`: {name} is for {shown} only"


def _is_among(question: Question, who: Collection[str]) -> bool:
    mine = {EVERYONE, f"plan:{question.plan.name}", *(f"role:{one}" for one in question.roles)}
    return not mine.isdisjoint(who)


def _who(one: str) -> str:
    kind, _, name = one.partition(":")
    return {"role": f"<@&{name}>", "plan": f"plan {name}"}.get(kind, one)


def _plan_speed(question: Question) -> Decision | None:
    if question.speed is None:
        return None
    plan, speed = question.plan, question.speed
    line = f"plan {plan.title}: speeds = {', '.join(plan.speeds)}"
    if speed in plan.speeds:
        return _yes(line)
    return _as_refused(line, lambda: limits.check_speed(speed, plan))


def _server_speed(question: Question) -> Decision | None:
    most = question.limits.speed
    if question.speed is None or most is None:
        return None
    line = f"server setting `limits`: no faster than {most} for you"
    if _no_faster(question.speed, most):
        return _yes(line)
    return _no("speed_closed", line, f"Write --{most}.", "speed")


def _waiting(question: Question) -> Decision | None:
    most = question.limits.waiting
    if not question.jobs or most is None:
        return None
    line = f"server setting `limits`: waiting = {most} for you"
    if question.waiting + question.jobs <= most:
        return _yes(line)
    return _no(limits.LINE_FULL, line, "Wait until one starts, or cancel one with /cancel.")


def _at_once(question: Question) -> Decision | None:
    most = question.limits.jobs
    if not question.jobs or most is None:
        return None
    line = f"server setting `limits`: jobs at once = {most} for you"
    if question.jobs <= most:
        return _yes(line)
    fix = f"This would be {question.jobs}: repeat less, or write fewer permutations."
    return _no(limits.TOO_MANY_AT_ONCE, line, fix, "repeat")


def _steps(question: Question) -> Decision | None:
    most = question.limits.steps
    if not question.steps or most is None:
        return None
    line = f"server setting `limits`: steps = {most} for you"
    if question.steps <= most:
        return _yes(line)
    return _no("too_many_steps", line, f"Write --steps {most} or fewer.", "steps")


# The order is from who somebody is, over where they are, to what they ask for.
RULES: tuple[Rule, ...] = (
    _standing,
    _ban,
    _pause,
    _channel,
    _stealth,
    _mature,
    _plan_speed,
    _server_speed,
    _waiting,
    _at_once,
    _steps,
    _plan_model,
    _server_model,
)


def _yes(line: str) -> Decision:
    return Decision(True, line)


def _no(code: str, line: str, fix: str, field: str | None = None) -> Decision:
    return Decision(False, line, code, f"Not allowed by the {line}. {fix}", field)


def _as_refused(line: str, check: Callable[[], None]) -> Decision:
    """A no that the desk has a sentence of its own for."""
    try:
        check()
    except Refusal as refusal:
        return Decision(False, line, refusal.code, refusal.sentence, refusal.field)
    return _yes(line)


def _no_faster(speed: Speed, most: Speed | None) -> bool:
    return most is None or SLOWEST_FIRST.index(speed) <= SLOWEST_FIRST.index(most)


def _least(plan: int, server: int | None) -> int:
    return plan if server is None else min(plan, server)
