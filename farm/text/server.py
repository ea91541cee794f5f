"""Wires and runs `pictor text`."""

from pathlib import Path

import uvicorn

from farm.engine.weights.vetting import check_folder
from farm.text.app import Speaker, create_app
from shared.config import Settings
from shared.errors import Refusal
from shared.telemetry import configure_logging

TEMPLATES = frozenset({".jinja"})
NO_FOLDER = "PICTOR_TEXT__FOLDER is not set: it names the folder of a language model as transformers saves it."


async def run_text(settings: Settings, *, host: str, port: int, device: str) -> None:
    configure_logging(settings.log_level)
    folder = settings.text.folder
    if folder is None:
        raise Refusal("no_folder", NO_FOLDER)
    check_folder(folder, more=TEMPLATES)
    key = settings.text.api_key
    app = create_app(
        lambda: _open(folder, device),
        name=settings.text.model,
        key=key.get_secret_value() if key else None,
        within_s=settings.text.timeout_s,
    )
    config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False)
    await uvicorn.Server(config).serve()


def _open(folder: Path, device: str) -> Speaker:
    from farm.text import speaker  # torch and the model come with the first question

    return speaker.Speaker.open(folder, device)
