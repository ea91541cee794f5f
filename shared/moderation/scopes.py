"""What a pause stops: everything, everything for safety's sake, or one server."""

EVERYWHERE, SAFETY = "everywhere", "safety"


def of_guild(guild_id: str) -> str:
    return f"guild:{guild_id}"
