"""What stands before the screen: pauses, bans of one server, its own thresholds and words, the grey zone."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from shared import jobstore, ledger
from shared.admission import FrontDesk, Person, PromptBlocked, Submission, Venue
from shared.config import SafetySettings, Settings
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.jobs import Job, JobKind, Route
from shared.moderation import cases, pauses
from shared.moderation.cases import Case
from shared.orders import LIFTED
from shared.safety.policy import Band
from shared.safety.screen import PromptScreen, open_screen
from shared.safety.verdict import MINOR_RULE, Sign
from tests.shared.conftest import Build
from tests.shared.presses import press
from tests.shared.rows import Ruling

ADA = Person("1", "Ada", "pro")
HERE, ELSEWHERE = Venue("12", "10"), Venue("99", "98")
ROUTE = Route("10", "11", "1", guild_id="12", application_id="13", token="secret")


def asked(typed: str = "a red sailboat", venue: Venue = HERE, **fields: Any) -> Submission:
    values: dict[str, Any] = {"route": None, "key": f"{typed}:{venue}", "venue": venue}
    return Submission(typed, ADA, **(values | fields))


async def refused(desk: FrontDesk, *submission: Submission) -> list[str]:
    codes = []
    for one in submission:
        with pytest.raises(Refusal) as no:
            await desk.submit(one)
        codes.append(no.value.code)
    return codes


async def one(database: Database, query: str) -> Any:
    async with database.read() as session:
        return (await session.execute(text(query))).one()


async def only_case(database: Database) -> Case:
    async with database.read() as session:
        [number] = (await session.execute(text("select id from cases"))).scalars()
        found = await cases.load(session, number)
    assert found is not None
    return found


class Seeing(PromptScreen):
    """A real screen that sees one more thing: `category` at `score`, in everything."""

    def __init__(self, settings: Settings, category: str, score: float, **bands: Band) -> None:
        real = open_screen(settings.blocklist_file, settings.policy_file)
        rules = real.rules
        policy = replace(rules.policy, bands={**rules.policy.bands, **bands})
        self.__dict__ |= real.__dict__
        self.rules = replace(rules, policy=policy, wider=Band(0.9, 0.95))
        self._sign = Sign(category, score, f"head:{category}")

    def assess(self, *texts: Any, **options: Any) -> Any:
        seen = super().assess(*texts, **options)
        return replace(seen, signs=(*seen.signs, self._sign))


@pytest.mark.parametrize(
    ("scope", "code", "places"),
    [
        (pauses.EVERYWHERE, "paused", (HERE, ELSEWHERE, Venue())),
        (pauses.SAFETY, "paused_for_safety", (HERE, ELSEWHERE, Venue())),
        (pauses.of_guild("12"), "paused", (HERE,)),
    ],
)
async def test_a_pause_stops_the_desk_until_it_is_taken_away(
    build: Build, database: Database, scope: str, code: str, places: tuple[Venue, ...]
) -> None:
    desk = build()
    waiting = (await desk.submit(asked("a blue castle"))).jobs[0]
    async with database.begin() as session:
        assert await pauses.pause(session, scope, "filter away", "discord:9")
        assert not await pauses.pause(session, scope, "another reason", "discord:8")
    assert set(await refused(desk, *(asked(venue=venue) for venue in places))) == {code}
    if len(places) == 1:
        assert (await desk.submit(asked(venue=ELSEWHERE))).created
    async with database.begin() as session:
        assert (await jobstore.load(session, waiting.id)) == waiting  # what waits stays
        assert await pauses.resume(session, scope, "discord:9")
    assert (await desk.submit(asked("a yellow boat"))).created


async def test_who_is_banned_on_a_server_may_draw_on_others(
    build: Build, database: Database
) -> None:
    desk = build()
    account = await desk.account(ADA)
    async with database.begin() as session:
        ban = """insert into bans (account_id, guild_id, kind, reason, actor, until)
            values (:of, '12', 'ban', 'x', 'discord:9', clock_timestamp() + :lasting * interval '1 h')"""
        await session.execute(text(ban), {"of": account.id, "lasting": -1})
    assert (await desk.submit(asked("a ban that is over"))).created
    async with database.begin() as session:
        await session.execute(text(ban), {"of": account.id, "lasting": 1})
    assert await refused(desk, asked()) == ["banned_here"]
    assert (await desk.submit(asked(venue=ELSEWHERE))).created


async def test_the_grey_zone_is_drawn_strictly_and_a_sample_is_looked_at(
    build: Build, database: Database, settings: Settings
) -> None:
    desk = build(screen=Seeing(settings, "gore", 0.7), safety=SafetySettings(sample_share=1))
    [job] = (await desk.submit(asked())).jobs
    assert (job.strict, job.guild_id) == (True, "12")
    verdict = await one(database, "select * from verdicts")
    assert (verdict.decision, verdict.category, verdict.scores["gore"]) == ("review", "gore", 0.7)
    case = await one(database, "select * from cases")
    assert (case.kind, case.state, case.job_id) == ("sample", "open", job.id)
    plain = build(screen=Seeing(settings, "gore", 0.7), safety=SafetySettings(sample_share=0))
    [job] = (await plain.submit(asked("another"))).jobs
    assert job.strict
    assert (await one(database, "select count(*) from cases"))[0] == 1
    [job] = (await build().submit(asked("a third"))).jobs
    assert not job.strict


async def test_a_server_s_own_thresholds_hold_there_and_stay_within_bounds(
    build: Build, database: Database, settings: Settings
) -> None:
    desk = build(screen=Seeing(settings, "gore", 0.7))
    async with database.begin() as session:
        await own_policy(session, 1, '{"gore": [0.4, 0.6]}')
    assert await refused(desk, asked("one")) == ["prompt_blocked"]
    assert (await desk.submit(asked("two", ELSEWHERE))).created
    version = (await one(database, "select policy from verdicts where decision = 'block'")).policy
    assert "+server1" in version
    async with database.begin() as session:
        await own_policy(session, 2, '{"gore": [0.8, 0.9]}')
    [job] = (await desk.submit(asked("three"))).jobs
    assert not job.strict
    async with database.begin() as session:  # the operator lets nobody go below 0.5
        await own_policy(session, 3, '{"gore": [0.01, 0.01], "sexual": [5, 9]}')
    assert await refused(build(screen=Seeing(settings, "gore", 0.51)), asked("four")) == [
        "prompt_blocked"
    ]
    assert await refused(build(screen=Seeing(settings, "sexual", 0.8)), asked("five")) == [
        "prompt_blocked"
    ]
    assert (await build(screen=Seeing(settings, "gore", 0.4)).submit(asked("six"))).created


async def own_policy(session: Session, number: int, bands: str) -> None:
    proposal = """insert into proposals (action, guild_id, detail, proposed_by) values
        ('policy', '12', '{}', '1') returning id"""
    made = (await session.execute(text(proposal))).scalar_one()
    policy = """insert into guild_policies (guild_id, number, bands, proposal_id)
        values ('12', :number, cast(:bands as jsonb), :of)"""
    await session.execute(text(policy), {"number": number, "bands": bands, "of": made})


async def test_age_restricted_channels_have_a_wider_band_for_one_category(
    build: Build, settings: Settings
) -> None:
    adults = replace(HERE, age_restricted=True)
    desk = build(screen=Seeing(settings, "sexual", 0.8))
    assert await refused(desk, asked("one")) == ["prompt_blocked"]
    assert (await desk.submit(asked("two", adults))).created
    gory = build(screen=Seeing(settings, "gore", 0.8))
    assert await refused(gory, asked("three", adults)) == ["prompt_blocked"]
    shipped = build()
    assert await refused(shipped, asked("a nude woman", adults)) == ["prompt_blocked"]


async def test_a_moderator_s_word_is_matched_from_then_on(build: Build, database: Database) -> None:
    desk = build()
    assert (await desk.submit(asked("a frobnicator"))).created
    word = """insert into blocked_terms (guild_id, term, category, strength, actor)
        values ('12', 'frobnicator', 'hate', 'explicit', 'discord:9')"""
    async with database.begin() as session:
        await session.execute(text(word))
    assert (
        await refused(desk, asked("two frobnicators"), asked("fr0bn1cat0r"))
        == ["prompt_blocked"] * 2
    )
    assert (await desk.submit(asked("a frobnicator", ELSEWHERE))).created
    async with database.begin() as session:
        await session.execute(text("update blocked_terms set removed_at = now(), removed_by = 'x'"))
    assert (await desk.submit(asked("the frobnicator"))).created


async def test_what_is_refused_can_be_asked_for_again_by_a_moderator(
    build: Build, database: Database
) -> None:
    desk = build()
    with pytest.raises(PromptBlocked) as no:
        await desk.submit(asked("a decapitated man --seed 3", route=ROUTE))
    assert no.value.case_id is not None
    async with database.read() as session:
        case = await cases.load(session, no.value.case_id)
    assert case is not None
    assert (case.prompt, case.category, case.state) == (
        "a decapitated man --seed 3",
        "gore",
        "noted",
    )
    assert case.submission is not None
    assert "secret" not in str(case.submission)
    receipt = await desk.resubmit(case)
    [job] = receipt.jobs
    assert (job.strict, job.guild_id, job.spec.seed) == (True, "12", 3)
    verdict = await one(database, "select * from verdicts where job_id is not null")
    assert (verdict.decision, verdict.rule) == ("allow", f"{LIFTED}{case.id}")
    async with database.read() as session:
        answer = await jobstore.route(session, job.id)
        assert await ledger.held(session, job.id) > 0
    assert answer is not None
    assert (answer.channel_id, answer.message_id, answer.token) == ("10", "", None)
    again = await desk.resubmit(case)
    assert (again.created, again.jobs) == (False, (job,))


async def test_a_pause_holds_for_what_a_moderator_lets_through_too(
    build: Build, database: Database
) -> None:
    desk = build()
    with pytest.raises(PromptBlocked):
        await desk.submit(asked("a decapitated man"))
    case = await only_case(database)
    async with database.begin() as session:
        await pauses.pause(session, pauses.SAFETY, "x", "filter")
    with pytest.raises(Refusal) as no:
        await desk.resubmit(case)
    assert no.value.code == "paused_for_safety"


async def test_a_button_s_no_can_be_asked_for_again(
    build: Build, database: Database, settings: Settings, drawn_job: Job
) -> None:
    strict = build(screen=Seeing(settings, "gore", 0.9))
    with pytest.raises(PromptBlocked):
        await press(strict, "vary", ADA, drawn_job.id, 1, key="v", route=None, venue=HERE)
    case = await only_case(database)
    [job] = (await strict.resubmit(case)).jobs
    assert (job.kind, job.parent_id, job.parent_index) == (JobKind.VARY, drawn_job.id, 1)


async def test_the_hard_rule_has_a_case_and_no_appeal(
    build: Build, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = build()
    real = PromptScreen.assess

    def hard(self: PromptScreen, *texts: Any, **options: Any) -> Any:
        return replace(real(self, *texts, **options), hard=Sign("minor", 1.0, MINOR_RULE))

    monkeypatch.setattr(PromptScreen, "assess", hard)
    with pytest.raises(PromptBlocked) as no:
        await desk.submit(asked())
    assert no.value.case_id is None
    case = await one(database, "select * from cases")
    assert (case.hard, case.state) == (True, "open")


@pytest.fixture
async def drawn_job(build: Build, database: Database) -> Job:
    from shared.jobs import JobState
    from tests.shared.rows import bring_to

    receipt = await build().submit(asked("a drawn boat"))
    async with database.begin() as session:
        job = await bring_to(session, receipt.jobs[0], JobState.SUCCEEDED)
        await jobstore.add_verdict(session, job.id, "image", Ruling(), attempt=1)
    return job
