"""Moderators at work: the real bot, desks, Postgres and Redis, in the local Discord."""

import asyncio
import zipfile
from io import BytesIO
from typing import Any

import discord
import numpy as np
import pytest
from PIL import Image

from bot.cards import Action, custom_id
from bot.cogs.imagine import Imagine
from bot.emulator import people
from bot.emulator.client import Refused
from shared.connections import Database
from shared.errors import Refusal
from shared.jobs import Job, JobState
from shared.moderation import caselists, cases
from shared.moderation.cases import Case
from shared.orders import Ask, Venue
from shared.storage import open_store
from tests.bot.house import BOAT, House, Json, buttons_of, text_of
from tests.reading import pictures_of

BLOCKED = "a red sailboat with a quokka"  # once "quokka" stands on the server's list
FINN, PAULA, PRIYA, MONA, MAX, ADA, OTTO = people.MEMBERS


async def block_quokkas(house: House) -> None:
    opened = await house.local.slash(ADA, "mod blocklist add", term="quokka", category="gore",
        strength="explicit")  # fmt: skip
    assert "quokka" in text_of(await house.told(opened, ADA))


async def refused(house: House, who: people.Person = FINN) -> Json:
    await block_quokkas(house)
    return await house.told(await house.local.slash(who, "imagine", prompt=BLOCKED), who)


async def appealed(
    house: House, who: people.Person = FINN, text: str = "It is a kind animal"
) -> Json:
    message = await refused(house, who)
    pressed = await house.local.click(who, message["id"], buttons_of(message)["Appeal"])
    sent = await house.fill(who, pressed, text=text)
    return await house.told(sent, who)


async def only_case(database: Database) -> Case:
    async with database.read() as session:
        (case,) = await caselists.queue(session, None, limit=5)
    return case


async def review(house: House, case: Case, who: people.Person = MONA) -> Json:
    opened = await house.local.slash(who, "mod review", case=case.id.hex)
    return await house.told(opened, who)


async def press(house: House, message: Json, label: str, who: people.Person = MONA) -> str:
    return await house.local.click(who, message["id"], buttons_of(message)[label])


async def becomes(house: House, message: Json, *words: str, who: people.Person = MONA) -> Json:
    def changed(seen: Json) -> bool:
        return seen["id"] == message["id"] and all(word in text_of(seen) for word in words)

    return await house.local.wait_message(changed, timeout=15, user=who)


async def letter(house: House, who: people.Person, words: str) -> Json:
    channel = await house.local.direct(who)
    return await house.local.wait_message(
        lambda seen: words in text_of(seen), timeout=15, user=who, channel=channel
    )


async def drawn(house: House, who: people.Person = PAULA) -> Job:
    """A finished job whose grid really lies in the store."""
    job = await house.imagine(BOAT, who)
    await house.finish(job)
    out = BytesIO()
    Image.fromarray(np.full((64, 64, 3), 120, np.uint8)).save(out, "WEBP")
    store = open_store(house.settings.storage)
    await store.put(f"{job.id}/1/grid.webp", out.getvalue(), mime="image/webp")
    return job


async def report(house: House, job: Job, who: people.Person = FINN) -> Json:
    opened = await house.local.menu(who, "Report", message=await house.message_of(job))
    sent = await house.fill(who, opened, reason="gore", text="It frightens me")
    return await house.told(sent, who)


async def test_a_refusal_says_category_rule_and_words_and_offers_an_appeal(house: House) -> None:
    message = await refused(house)
    for part in ("gore", "quokka", "Rule", "Nothing was charged"):
        assert part in text_of(message)
    assert list(buttons_of(message)) == ["Appeal"]
    assert await house.local.messages(PAULA) == []


async def test_the_channels_mark_is_told_to_the_desk(house: House) -> None:
    seen: list[Venue] = []
    (imagine,) = (cog for cog in house.bot.cogs.values() if isinstance(cog, Imagine))
    desk: Any = imagine._ordering._desk

    async def refuse(ask: Ask) -> None:
        seen.append(ask.venue)
        raise Refusal("enough", "That was all.")

    desk.ask = refuse
    for channel in (people.IMAGINE_CHANNEL_ID, people.AFTER_DARK_CHANNEL_ID):
        opened = await house.local.slash(FINN, "imagine", channel, prompt=BOAT)
        await house.told(opened, FINN, channel)
    assert [(venue.channel_id, venue.age_restricted) for venue in seen] == [
        (people.IMAGINE_CHANNEL_ID, False),
        (people.AFTER_DARK_CHANNEL_ID, True),
    ]
    assert {venue.guild_id for venue in seen} == {people.GUILD_ID}


async def test_what_no_moderator_may_lift_offers_no_appeal(house: House) -> None:
    opened = await house.local.slash(FINN, "imagine", prompt="nude child")
    assert buttons_of(await house.told(opened)) == {}


async def test_an_appeal_is_made_once_and_by_whom_it_concerns(house: House) -> None:
    message = await refused(house)
    button = buttons_of(message)["Appeal"]
    told = await house.told(
        await house.fill(FINN, await house.local.click(FINN, message["id"], button), text="")
    )
    assert "A moderator will look" in text_of(told)
    again = await house.fill(FINN, await house.local.click(FINN, message["id"], button))
    assert "You have appealed" in text_of(await house.told(again))


async def test_an_appeal_outlives_the_bot(house: House) -> None:
    message = await refused(house)
    await house.restart()
    pressed = await press(house, message, "Appeal", FINN)
    await house.restart()
    sent = await house.fill(FINN, pressed, text="Please")
    assert "A moderator will look" in text_of(await house.told(sent))


async def test_a_lifted_prompt_is_drawn_and_its_author_is_told(
    house: House, database: Database
) -> None:
    await appealed(house)
    case = await only_case(database)
    shown = await review(house, case)
    told = text_of(shown)
    for part in ("Refused prompt", "gore", "Finn", f"||{BLOCKED}||", "kind animal"):
        assert part in told
    assert shown["flags"] & 64
    await press(house, shown, "Lift")
    closed = await becomes(house, shown, "lifted", "is drawn", "They were told")
    assert list(buttons_of(closed)) == ["Next"]
    (job_id,) = await house.farm.open_ids()
    job = await house.farm.load(job_id)
    assert (job.prompt, job.strict) == (BLOCKED, True)
    assert "<#" in text_of(await letter(house, FINN, "The block was lifted"))
    await house.farm.succeed(await house.farm.start(job_id))
    picture = await house.see(job, "seed", pictured=True)
    assert picture["mentions"] == []
    await press(house, closed, "Next")
    await becomes(house, shown, "Nothing waits for you")


async def test_a_withheld_picture_says_why_and_can_be_appealed_by_its_owner(
    house: House, database: Database
) -> None:
    job = await house.imagine()
    await house.farm.block(await house.farm.start(job.id))
    message = await house.see(job, "(Blocked)", "gore", "vit:gore", "not charged")
    assert list(buttons_of(message)) == ["Appeal"]
    foreign = await house.fill(PAULA, await press(house, message, "Appeal", PAULA), text="Me too")
    assert "no such case of yours" in text_of(await house.told(foreign, PAULA))
    own = await house.fill(FINN, await press(house, message, "Appeal", FINN), text="A kind boat")
    assert "A moderator will look" in text_of(await house.told(own))
    shown = await review(house, await only_case(database))
    assert "Not kept" in text_of(shown)
    assert "Reveal" not in buttons_of(shown)
    assert f"||{BOAT}||" in text_of(shown)
    await press(house, shown, "Lift")
    await becomes(house, shown, "strike is taken back")


async def test_a_known_picture_has_no_way_back(house: House) -> None:
    job = await house.imagine()
    await house.farm.block(await house.farm.start(job.id), category="known")
    assert buttons_of(await house.see(job, "(Blocked)")) == {}


async def test_a_note_goes_with_the_decision(house: House, database: Database) -> None:
    await appealed(house)
    shown = await review(house, await only_case(database))
    pressed = await press(house, shown, "Lift with a note…")
    await house.fill(MONA, pressed, text="Quokkas are fine")
    await becomes(house, shown, "is drawn")
    assert "Quokkas are fine" in text_of(await letter(house, FINN, "lifted"))


async def test_upheld_is_told_in_private_or_not_at_all(house: House, database: Database) -> None:
    await house.local.close_direct(FINN)
    await appealed(house)
    case = await only_case(database)
    shown = await review(house, case)
    await press(house, shown, "Uphold")
    await becomes(house, shown, "stays refused", "no direct messages")
    assert await house.local.messages(PAULA) == []
    again = await review(house, case)
    assert list(buttons_of(again)) == ["Next"]


async def test_a_forged_button_opens_nothing(house: House, database: Database) -> None:
    await appealed(house)
    case = await only_case(database)
    for action in (Action.REVIEW, Action.REVEAL, Action.LIFT, Action.UPHOLD, Action.NEXT):
        forged = await forge(house, custom_id(action, case.id))
        for who in (PRIYA, FINN):
            pressed = await house.local.click(who, forged["id"], custom_id(action, case.id))
            said = text_of(await house.told(pressed, who))
            assert "of this server may do that" in said, action
            assert "charged" not in said
    assert (await only_case(database)).state == cases.OPEN
    with pytest.raises(Refused):
        await house.local.slash(PRIYA, "mod queue")


async def forge(house: House, target: str) -> Json:
    button = {"type": 2, "style": 2, "label": "forged", "custom_id": target}
    route = discord.http.Route(
        "POST", "/channels/{channel_id}/messages", channel_id=people.IMAGINE_CHANNEL_ID
    )
    rows = [{"type": 1, "components": [button]}]
    return dict(await house.bot.http.request(route, json={"content": "-", "components": rows}))


async def test_a_viewer_sees_and_decides_nothing(house: House, database: Database) -> None:
    await appealed(house)
    case = await only_case(database)
    opened = await house.local.slash(ADA, "mod role", role=people.PAID_ROLE.id, rank=1)
    assert "viewer" in text_of(await house.told(opened, ADA))
    look, lift = (custom_id(action, case.id) for action in (Action.REVIEW, Action.LIFT))
    forged = await forge(house, look)
    shown = await house.told(await house.local.click(PAULA, forged["id"], look), PAULA)
    assert "Refused prompt" in text_of(shown)
    forged = await forge(house, lift)
    said = await house.told(await house.local.click(PAULA, forged["id"], lift), PAULA)
    assert "Only moderators" in text_of(said)


async def test_nobody_decides_about_themselves(house: House, database: Database) -> None:
    await appealed(house, MONA)
    shown = await review(house, await only_case(database))
    said = await house.told(await press(house, shown, "Lift"), MONA)
    assert "somebody else must decide" in text_of(said)
    shown = await review(house, await only_case(database), MAX)
    await press(house, shown, "Lift", MAX)
    await becomes(house, shown, "is drawn", who=MAX)


async def test_a_report_is_looked_at_blurred_and_takes_the_picture_down(
    house: House, database: Database
) -> None:
    job = await drawn(house)
    assert "Thank you" in text_of(await report(house, job))
    assert "have reported this picture" in text_of(await report(house, job))
    case = await only_case(database)
    shown = await review(house, case)
    (blurred,) = shown["attachments"]
    assert blurred["filename"] == "SPOILER_blurred.webp"
    clear = await house.told(await press(house, shown, "Reveal"), MONA)
    (revealed,) = clear["attachments"]
    assert revealed["filename"] == "SPOILER_grid.webp"
    assert clear["flags"] & 64
    await press(house, shown, "Uphold")
    closed = await becomes(house, shown, "links are dead")
    assert closed["attachments"] == []
    taken = await house.see(job, "(Withdrawn)", "Withdrawn by a moderator")
    assert BOAT not in text_of(taken)
    assert buttons_of(taken) == {}
    assert pictures_of(taken) == []
    assert "gore" in text_of(await letter(house, PAULA, "A picture was withdrawn"))


async def test_a_report_by_link_can_be_approved_and_the_reporter_stays_unnamed(
    house: House, database: Database
) -> None:
    job = await drawn(house)
    link = f"https://discord.com/channels/{people.GUILD_ID}/5/{await house.message_of(job)}"
    opened = await house.local.slash(FINN, "report", picture=link, reason="other")
    assert "Thank you" in text_of(await house.told(opened))
    shown = await review(house, await only_case(database))
    assert "Finn" not in text_of(shown)
    await press(house, shown, "Approve")
    await becomes(house, shown, "The picture stays")
    assert await house.see(job, "seed", pictured=True)


@pytest.mark.parametrize("picture", ["what?", "https://x.y/channels/1/2/3", "0" * 32])
async def test_a_report_of_nothing_says_how(house: House, picture: str) -> None:
    opened = await house.local.slash(FINN, "report", picture=picture, reason="gore")
    said = text_of(await house.told(opened))
    assert "cannot tell which" in said or "no picture of mine" in said


async def test_a_reported_minor_is_shown_to_nobody(house: House, database: Database) -> None:
    job = await drawn(house)
    opened = await house.local.slash(FINN, "report", picture=str(job.id), reason="minor")
    await house.told(opened)
    case = await only_case(database)
    shown = await review(house, case)
    assert "Shown to nobody" in text_of(shown)
    assert shown["attachments"] == []
    assert next(iter(buttons_of(shown))) == "Approve"
    forged = await forge(house, custom_id(Action.REVEAL, case.id))
    said = await house.told(
        await house.local.click(MONA, forged["id"], custom_id(Action.REVEAL, case.id)), MONA
    )
    assert "shown to nobody" in text_of(said)
    assert said["attachments"] == []


async def test_a_ban_cancels_withdraws_and_is_lifted_by_two(house: House) -> None:
    finished = await drawn(house)
    waiting = await house.imagine("a blue boat", PAULA)
    opened = await house.local.slash(MONA, "mod ban", user=PAULA.id, reason="Spam")
    told = text_of(await house.told(opened, MONA))
    assert "refunded: 1 job;" in told
    await house.see(waiting, "(Cancelled)", "Cancelled by a moderator", "not charged")
    await house.see(finished, "(Withdrawn)")
    assert (await house.farm.load(waiting.id)).state is JobState.CANCELLED
    assert "Spam" in text_of(await letter(house, PAULA, "You were banned"))
    said = await house.told(await house.local.slash(PAULA, "imagine", prompt=BOAT), PAULA)
    assert "banned" in text_of(said)

    async def unban(who: people.Person) -> str:
        opened = await house.local.slash(who, "mod unban", user=PAULA.id, reason="Sorry")
        return text_of(await house.told(opened, who))

    assert "once somebody else agrees" in await unban(MONA)
    assert "somebody else must approve" in await unban(MONA)
    assert "may draw again" in await unban(MAX)
    await house.imagine("a green boat", PAULA)


async def test_from_under_a_case_its_author_is_warned_struck_and_banned(
    house: House, database: Database
) -> None:
    await appealed(house)
    shown = await review(house, await only_case(database))
    for label, values, words in (
        ("Warn…", {"reason": "Be kind"}, "was warned"),
        ("Strike…", {"reason": "Be kind", "weight": "2"}, "strike of weight 2"),
        ("Strike…", {"reason": "Be kind", "weight": "x"}, "no whole number"),
        ("Ban…", {"reason": "Enough", "days": "3"}, "is banned"),
    ):
        sent = await house.fill(MONA, await press(house, shown, label), **values)
        assert words in text_of(await house.told(sent, MONA)), label
    opened = await house.local.slash(MONA, "mod user", user=FINN.id)
    record = text_of(await house.told(opened, MONA))
    for part in ("Finn", "Bans", "Strikes", "Cases", "Be kind", "Enough"):
        assert part in record
    assert "sailboat" not in record


async def test_thresholds_are_proposed_by_one_and_approved_by_another(house: House) -> None:
    def told(who: people.Person, command: str, **options: Any) -> Any:
        return house.local.slash(who, f"mod policy {command}", **options)

    said = await house.told(await told(MONA, "set", category="gore", review=0.5, block=0.6), MONA)
    assert "Only admins" in text_of(said)
    said = await house.told(await told(ADA, "set", category="gore", review=0.5, block=0.6), ADA)
    assert "once somebody else agrees" in text_of(said)
    (choice,) = await house.local.autocomplete(OTTO, "mod policy approve", "proposal", proposal="")
    assert "gore 0.5/0.6" in choice["name"]
    said = await house.told(await told(ADA, "approve", proposal=choice["value"]), ADA)
    assert "somebody else must approve" in text_of(said)
    said = await house.told(await told(OTTO, "approve", proposal=choice["value"]), OTTO)
    assert "is approved" in text_of(said)
    said = await house.told(await told(MONA, "show"), MONA)
    assert "**gore: review 0.5, block 0.6**" in text_of(said)
    said = await house.told(await told(ADA, "set", category="gore", review=0.5, block=1.0), ADA)
    assert "the operator allows" in text_of(said)


async def test_lists_pauses_and_money(house: House) -> None:
    async def run(command: str, who: people.Person = ADA, **options: Any) -> str:
        opened = await house.local.slash(who, f"mod {command}", **options)
        return text_of(await house.told(opened, who))

    assert "quokka" in await run("blocklist add", term="Quokka", category="gore")
    assert "||quokka||" in await run("blocklist list")
    assert "Only admins" in await run("blocklist add", MONA, term="wombat", category="gore")
    assert "no longer" in await run("blocklist remove", term="quokka")
    file = await house.local.upload(ADA, "list.csv", b"sha256," + b"0" * 64)
    assert "operator" in await run("hashlist import", file=file, name="mine")
    assert "Paused" in await run("pause", reason="a flood")
    said = await house.told(await house.local.slash(FINN, "imagine", prompt=BOAT))
    assert "a flood" in text_of(said)
    assert "goes on" in await run("resume")
    job = await drawn(house)
    assert "went back" in await run("refund", job=str(job.id), reason="A bad draw")
    assert "before" in await run("refund", job=str(job.id), reason="A bad draw")
    assert "left" in await run("quota", user=PAULA.id, minutes=5, reason="A gift")


async def test_the_staffs_channel_hears_of_it_and_of_no_words(house: House) -> None:
    opened = await house.local.slash(ADA, "mod channel", where=people.MOD_LOG_CHANNEL_ID)
    await house.told(opened, ADA)
    await appealed(house)
    alert = await house.local.wait_message(
        lambda seen: "Appeal" in text_of(seen),
        timeout=15,
        user=MONA,
        channel=people.MOD_LOG_CHANNEL_ID,
    )
    assert "quokka" not in text_of(alert)
    assert "appeals 1" in text_of(alert)
    (label,) = buttons_of(alert)
    pressed = await press(house, alert, label)
    shown = await house.told(pressed, MONA, people.MOD_LOG_CHANNEL_ID)
    assert "Refused prompt" in text_of(shown)
    assert shown["flags"] & 64


async def test_what_is_kept_can_be_taken_along(house: House) -> None:
    await drawn(house)
    told = await house.told(await house.local.slash(PAULA, "privacy export"), PAULA)
    assert "1 job with prompts" in text_of(told)
    (file,) = told["attachments"]
    archive = zipfile.ZipFile(BytesIO(await house.local.fetch(file["url"])))
    assert BOAT in archive.read("jobs.json").decode()
    told = await house.told(await house.local.slash(PRIYA, "privacy export"), PRIYA)
    assert "never used Pictor" in text_of(told)


async def test_deletion_is_typed_and_reaches_the_messages(house: House) -> None:
    job = await drawn(house)
    message = await house.message_of(job)

    async def delete(word: str) -> str:
        opened = await house.local.slash(PAULA, "privacy delete")
        return text_of(await house.told(await house.fill(PAULA, opened, word=word), PAULA))

    assert "nothing was deleted" in await delete("delete?")
    assert await house.local.message(message)
    told = await delete("DELETE")
    assert "1 message will be deleted" in told
    assert "What stays" in told
    async with asyncio.timeout(10):
        while message in {seen["id"] for seen in await house.local.messages(FINN)}:
            await asyncio.sleep(0.05)
    assert (await house.farm.load(job.id)).prompt == ""
    assert "never used Pictor" in await delete("DELETE")
