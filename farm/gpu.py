"""Which GPU a worker's device is, by a name that is the same for every process that could open it."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from contextlib import suppress

from shared.errors import Fault

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0  # a driver that hangs must not hang us
QUERY = ("nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader")
VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"


async def name_of(device: str, environment: Mapping[str, str]) -> str | None:
    """None for a CPU, which may have many owners. Without nvidia-smi: the host and the device on it."""
    if not device.startswith("cuda"):
        return None
    entry = chosen(device, environment.get(VISIBLE))
    return named(entry, await _uuids()) or f"{socket.gethostname()} {entry}"


def chosen(device: str, visible: str | None) -> str:
    """What `cuda:1` means to the driver: an index or a UUID. CUDA counts among what it may see."""
    number = int(device.partition(":")[2] or 0)
    entries = [one.strip() for one in visible.split(",")] if visible is not None else None
    if entries is None:
        return str(number)
    if number >= len(entries) or not entries[number]:
        sentence = f"There is no {device}: {VISIBLE} is {visible!r}."
        raise Fault("no_such_device", sentence)
    return entries[number]


def named(entry: str, uuids: Mapping[str, str]) -> str | None:
    """By index, or by the beginning of a UUID, as CUDA takes it. A part of a GPU (MIG) is its own name."""
    if entry in uuids:
        return uuids[entry]
    if entry.startswith("MIG-"):
        return entry
    matches = [
        uuid for uuid in uuids.values() if entry.startswith("GPU") and uuid.startswith(entry)
    ]
    return matches[0] if len(matches) == 1 else None


def read(answer: str) -> dict[str, str]:
    """UUIDs by index, from lines like `0, GPU-5e4f...`."""
    pairs = (line.split(",", 1) for line in answer.splitlines() if "," in line)
    return {index.strip(): uuid.strip() for index, uuid in pairs}


async def _uuids() -> dict[str, str]:
    try:
        asked = await asyncio.create_subprocess_exec(
            *QUERY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return {}
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            answer, _ = await asked.communicate()
    except TimeoutError:
        log.warning("nvidia-smi does not answer; the GPU is known by its host and number.")
        asked.kill()
        with suppress(TimeoutError):  # a driver may keep even a killed one
            async with asyncio.timeout(1.0):
                await asked.communicate()
        return {}
    return read(answer.decode(errors="replace"))
