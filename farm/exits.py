"""How a command reads its settings and ends: a sentence and an exit code, for every command alike."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from shared.errors import Fault, Refusal

if TYPE_CHECKING:
    from shared.config import Settings

Result = TypeVar("Result")

OK, REFUSED, FAILED, NOT_READY, INTERRUPTED = 0, 2, 3, 4, 130


def read_settings() -> "Settings":
    from pydantic import ValidationError

    from shared.config import Settings

    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = "PICTOR_" + "__".join(str(part).upper() for part in problem["loc"])
            typer.echo(f"{name}: {problem['msg']}", err=True)
        raise SystemExit(REFUSED) from None


def run(work: Coroutine[Any, Any, int | None]) -> None:
    code = told(lambda: asyncio.run(work))
    raise SystemExit(code or OK)


def told(work: Callable[[], Result]) -> Result:
    """Runs `work`; what it raises becomes one sentence and an exit code."""
    try:
        return work()
    except Refusal as refusal:
        typer.echo(refusal.sentence, err=True)
        raise SystemExit(REFUSED) from None
    except Fault as fault:
        typer.echo(fault.sentence, err=True)
        raise SystemExit(NOT_READY if fault.retryable else FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
