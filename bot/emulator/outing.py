"""A test's hands away from the channels of our server: threads, other servers, added applications."""

from bot.emulator import people
from bot.emulator.line import Json, Line, Who, id_of


class Outing(Line):
    async def start_thread(
        self, user: Who, name: str = "thread", channel: str = people.IMAGINE_CHANNEL_ID
    ) -> str:
        """The id of the thread, to use as any channel's."""
        wish = {"user": id_of(user), "name": name, "channel": channel}
        return str((await self._post("threads", wish))["id"])

    async def archive(self, thread: str, *, archived: bool = True, locked: bool = False) -> Json:
        """Words open an archived thread again, a locked one stays shut."""
        wish = {"archived": archived, "locked": locked}
        return dict(await self._call("PATCH", f"threads/{thread}", wish))

    async def install(self, user: Who, *, installed: bool = True) -> None:
        """Add the application to an account, or take it away. All members have it at first."""
        await self._post("installs", {"user": id_of(user), "installed": installed})
