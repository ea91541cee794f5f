"""Tasks of words: a picture described, a prompt shortened. Answered at once, carried out after that."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from farm.api.mj.drawing import Around
from farm.api.principals import Principal
from farm.api.services import Services
from shared import taskrows
from shared.errors import Fault, Refusal
from shared.taskrows import Task, TaskState

log = logging.getLogger(__name__)

BROKEN = "Something broke here. It is not your request's fault; submit it again."
Prompts = Callable[[], Awaitable[Sequence[str]]]


async def begun(
    services: Services, who: Principal, action: str, around: Around, prompt: str = ""
) -> Task:
    async with services.database.begin() as session:
        return await taskrows.add(
            session, who.account_id, action=action, memo=around.memo, prompt=prompt
        )


async def carried_out(services: Services, task: Task, prompts: Prompts) -> None:
    """Whatever comes of it, the task says so."""
    told: dict[str, Any]
    try:
        state, told = TaskState.DONE, {"prompts": list(await prompts())}
    except (Refusal, Fault) as error:
        state, told = TaskState.FAILED, {"reason": error.sentence}
    except Exception:
        log.exception("A task of words broke.")
        state, told = TaskState.FAILED, {"reason": BROKEN}
    async with services.database.begin() as session:
        await taskrows.settle(session, task.id, state, told)
