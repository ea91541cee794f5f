"""LoRAs as these tests bring them: the shipped one, and what wears its shape."""

from pathlib import Path
from typing import Any

import httpx

from shared.config import ROOT

SEPIA = ROOT / "farm/postcards/weights/lora-sepia/pytorch_lora_weights.safetensors"


def sepia() -> bytes:
    return Path(SEPIA).read_bytes()


async def bring(
    client: httpx.AsyncClient, name: str = "ink", data: bytes | None = None, **told: Any
) -> httpx.Response:
    form = {"name": name, "checkpoint": "postcards"} | told
    return await client.post(
        "/v1/loras", data=form, files={"file": ("ink.safetensors", data or sepia())}
    )
