"""Memory of each process of the demo after one picture (PSS: shared pages count once)."""

import asyncio
import tempfile
from pathlib import Path

import psutil

from bot.emulator.client import LocalDiscord
from bot.emulator.people import PAULA
from farm.demo import start_all
from farm.stack import Stack

LIMITS_MB = {"bot": 200, "dispatcher": 150, "demo": 3072}
PROMPT = "a red sailboat on the sea at sunset --seed 7"


def main() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
        measured = asyncio.run(_measure(Path(folder)))
    for name, size in measured.items():
        limit = f"  (limit {LIMITS_MB[name]} MB)" if name in LIMITS_MB else ""
        print(f"{name:<12} {size:8.0f} MB{limit}")
    return measured


async def _measure(folder: Path) -> dict[str, float]:
    stack = Stack(folder)
    try:
        url = await start_all(stack, port=0)
        async with LocalDiscord.connect(url) as discord:
            await discord.slash(PAULA, "imagine", prompt=PROMPT)
            await discord.wait_message(_is_final, timeout=120)
        parts = {name: _family_mb(part.pid) for name, part in stack.parts.items()}
        whole = _family_mb(psutil.Process().pid)
        return parts | {"demo": whole}
    finally:
        await stack.close()


def _is_final(message: dict[str, object]) -> bool:
    return len(message.get("components") or ()) > 1  # type: ignore[arg-type]


def _family_mb(pid: int) -> float:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(member.memory_full_info().pss for member in family) / 2**20


if __name__ == "__main__":
    main()
