"""/mod policy, blocklist, hashlist, pause, resume, channel, role."""

import asyncio

import discord
from discord import app_commands
from discord.ext import commands

from bot import peoplecards
from bot.modcards import done_card
from bot.naming import category_name as named
from bot.pickers import PICKER_S
from bot.reception import Interaction, open_private, tell
from bot.seats import seat
from shared.errors import Fault, Refusal
from shared.moderation.knownhashes import DIGITS
from shared.moderation.proposals import POLICY
from shared.moderation.ranks import Rank
from shared.moderation.terms import STRENGTHS
from shared.oversight.desk import Oversight
from shared.oversight.house import LONGEST_LIST
from shared.safety.policy import Band
from shared.safety.verdict import POLICED

_CATEGORIES = [app_commands.Choice(name=named(one), value=one) for one in POLICED]
_STRENGTHS = [app_commands.Choice(name=one, value=one) for one in STRENGTHS]
_SCOPES = [
    app_commands.Choice(name="this server", value="here"),
    app_commands.Choice(name="everywhere (the operator's admins)", value="everywhere"),
    app_commands.Choice(name="safety, everywhere (the operator's admins)", value="safety"),
]
_RANKS = [app_commands.Choice(name=rank.name.lower(), value=int(rank)) for rank in Rank]
Score = app_commands.Range[float, 0.01, 1.0]


class HouseRules(commands.Cog):
    oversight: Oversight

    policy = app_commands.Group(
        name="policy", description="From which score on a prompt is stopped"
    )
    blocklist = app_commands.Group(name="blocklist", description="Words that are stopped here")
    hashlist = app_commands.Group(name="hashlist", description="Pictures that are never shown")

    @policy.command(name="show", description="The thresholds that hold here")
    async def policy_show(self, interaction: Interaction) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        view = await self.oversight.pairs.show_policy(mod)
        waiting = [one for one in await self.oversight.pairs.open(mod) if one.action == POLICY]
        await tell(interaction, peoplecards.policy_card(view, waiting))

    @policy.command(name="set", description="Proposes thresholds; a second person must agree")
    @app_commands.describe(
        category="Of what", review="Strictly judged from here on", block="Refused from here on"
    )
    @app_commands.choices(category=_CATEGORIES)
    async def policy_set(
        self,
        interaction: Interaction,
        category: str,
        review: Score | None = None,
        block: Score | None = None,
    ) -> None:
        """Without numbers: back to the operator's."""
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        bands = dict((await self.oversight.pairs.show_policy(mod)).own)
        if review is None and block is None:
            bands.pop(category, None)
        elif review is None or block is None:
            sentence = "Give review and block; or neither, which brings the operator's back."
            raise Refusal("invalid_value", sentence, field="block")
        else:
            bands[category] = Band(review, block)
        made = await self.oversight.pairs.propose_policy(mod, bands)
        await tell(interaction, peoplecards.proposed_card(made))

    @policy.command(name="approve", description="Agrees with what somebody else proposed")
    @app_commands.describe(proposal="Which one", agree="No rejects it")
    async def policy_approve(
        self, interaction: Interaction, proposal: int, agree: bool = True
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        if agree:
            card = peoplecards.approved_card(await self.oversight.pairs.approve(mod, proposal))
        else:
            card = peoplecards.rejected_card(await self.oversight.pairs.reject(mod, proposal))
        await tell(interaction, card)

    @policy_approve.autocomplete("proposal")
    async def pick_proposal(
        self, interaction: Interaction, current: int | str
    ) -> list[app_commands.Choice[int]]:
        try:
            async with asyncio.timeout(PICKER_S):
                mod = await seat(self.oversight.house, interaction)
                found = await self.oversight.pairs.open(mod)
        except (Refusal, Fault, TimeoutError):
            return []
        return [
            app_commands.Choice(name=peoplecards.proposal_label(one), value=one.id)
            for one in found[:25]
            if one.action == POLICY
        ]

    @blocklist.command(name="add", description="Stops a word or a phrase on this server")
    @app_commands.describe(term="The word", category="Under which rule", strength="How surely")
    @app_commands.choices(category=_CATEGORIES, strength=_STRENGTHS)
    async def blocklist_add(
        self, interaction: Interaction, term: str, category: str, strength: str = "strong"
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        spelled = await self.oversight.house.block_term(mod, term, category, strength=strength)
        await tell(
            interaction, done_card(f"||{spelled}|| is stopped here, however it is disguised.")
        )

    @blocklist.command(name="remove", description="Lets a word through again")
    @app_commands.describe(term="The word")
    async def blocklist_remove(self, interaction: Interaction, term: str) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        spelled = await self.oversight.house.unblock_term(mod, term)
        await tell(interaction, done_card(f"||{spelled}|| is no longer on this server's list."))

    @blocklist.command(name="list", description="The words that are stopped here")
    async def blocklist_list(self, interaction: Interaction) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        await tell(interaction, peoplecards.terms_card(await self.oversight.house.terms(mod)))

    @hashlist.command(name="import", description="Adds hashes of pictures that are never shown")
    @app_commands.describe(
        file=f"Lines of algorithm,digest with {', '.join(DIGITS)}", name="What the list is called"
    )
    async def hashlist_import(
        self, interaction: Interaction, file: discord.Attachment, name: str
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        text = await read_text(file)
        done = await self.oversight.house.import_hashes(mod, text, list_name=name)
        await tell(interaction, peoplecards.import_card(done))

    @app_commands.command(description="Takes no new prompts; what is in line stays there")
    @app_commands.describe(reason="People will read this", scope="This server unless you say so")
    @app_commands.choices(scope=_SCOPES)
    async def pause(self, interaction: Interaction, reason: str, scope: str = "here") -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        new = await self.oversight.house.pause(mod, reason, scope=_scope(scope))
        changed = "Paused." if new else "It was paused before."
        pauses = await self.oversight.house.pauses(mod)
        await tell(interaction, peoplecards.pauses_card(pauses, changed=changed))

    @app_commands.command(description="Takes new prompts again")
    @app_commands.describe(scope="This server unless you say so")
    @app_commands.choices(scope=_SCOPES)
    async def resume(self, interaction: Interaction, scope: str = "here") -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        gone = await self.oversight.house.resume(mod, scope=_scope(scope))
        changed = "It goes on." if gone else "It was not paused."
        pauses = await self.oversight.house.pauses(mod)
        await tell(interaction, peoplecards.pauses_card(pauses, changed=changed))

    @app_commands.command(description="Where this server's moderators hear of alerts")
    @app_commands.describe(where="A channel that only moderators read")
    async def channel(self, interaction: Interaction, where: discord.TextChannel) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        await self.oversight.house.set_channel(mod, str(where.id))
        await tell(interaction, done_card(f"Alerts go to <#{where.id}> from now on."))

    @app_commands.command(description="What a role may do at the moderators' desk")
    @app_commands.describe(role="Which role", rank="None takes away what it was given")
    @app_commands.choices(rank=_RANKS)
    async def role(self, interaction: Interaction, role: discord.Role, rank: int) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        await self.oversight.house.set_role(mod, str(role.id), Rank(rank))
        await tell(interaction, done_card(f"<@&{role.id}> is {Rank(rank).name.lower()} here."))


def _scope(chosen: str) -> str | None:
    return None if chosen == "here" else chosen


async def read_text(file: discord.Attachment) -> str:
    if file.size > LONGEST_LIST:
        raise Refusal("list_too_long", "Import such a list in parts.", field="file")
    try:
        return (await file.read()).decode()
    except UnicodeDecodeError:
        raise Refusal("no_text", "This file is no text.", field="file") from None
    except discord.HTTPException as error:
        raise Fault("upload_unread", "Discord did not give us the file.", retryable=True) from error
