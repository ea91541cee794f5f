"""What is made of a task that is there: its buttons pressed, its forms filled in."""

from dataclasses import dataclass, replace

from farm.api.brought import link_to
from farm.api.mj import presses
from farm.api.mj.answers import SubmitResult, submitted
from farm.api.mj.bodies import Act, Change, Modal, SimpleChange
from farm.api.mj.drawing import Around, Drawing, around_form, hook_to
from farm.api.mj.presses import Press
from farm.api.mj.telling import job_of, own_task
from farm.api.principals import Principal
from farm.api.services import Services
from shared.errors import Refusal
from shared.orders import Ask
from shared.taskrows import Task, TaskState


@dataclass(frozen=True, slots=True)
class Pressing:
    services: Services
    who: Principal

    @property
    def desk(self) -> Drawing:
        return Drawing(self.services, self.who)

    async def change(self, body: Change, around: Around) -> SubmitResult:
        task = await self._task(body.task_id)
        press = presses.changed(body.action, body.index, await job_of(self.services, task))
        return await self.desk.press(press, around, presses.told_as(press, body.task_id))

    async def act(self, body: Act, around: Around) -> SubmitResult:
        task = await self._task(body.task_id)
        number = presses.read_proposal(body.custom_id)
        if number is not None:
            return await self._draw_proposal(task, number, around)
        press = presses.read_press(body.custom_id)
        if press.job_id != await job_of(self.services, task):
            raise Refusal("unknown_button", "That button is another task's.", field="customId")
        description = presses.told_as(press, body.task_id)
        if await self._asks_for_words(press, body):
            return await self.desk.open_form(press, around, description)
        return await self.desk.press(press, around, description)

    async def fill_in(self, body: Modal) -> SubmitResult:
        """One that was filled in before is as it is."""
        task = await self._task(body.task_id)
        if task.state is not TaskState.MODAL:
            return submitted(task.id)
        around = around_form(task)
        if body.notify_hook:
            around = replace(around, hook=hook_to(body.notify_hook))
        ask = await self.desk.worded(task, around, body.prompt or "")
        return await self.desk.fill_in(task, await self._with_mask(ask, body))

    async def _with_mask(self, ask: Ask, body: Modal) -> Ask:
        if ask.verb != "region":
            return ask
        if not body.mask_base64:
            sentence = "Send the part to draw anew as maskBase64: white is drawn, black stays."
            raise Refusal("no_region", sentence, field="maskBase64")
        mask = await link_to(self.services, self.who, body.mask_base64, field="maskBase64")
        return replace(ask, mask=mask)

    async def _draw_proposal(self, task: Task, number: int, around: Around) -> SubmitResult:
        prompts = task.told.get("prompts", ())
        if number >= len(prompts):
            raise Refusal("unknown_button", "There is no prompt of that number.", field="customId")
        ask = self.desk.ask("imagine", around, text=prompts[number])
        return await self.desk.draw(ask, "IMAGINE", around.memo)

    async def _asks_for_words(self, press: Press, body: Act) -> bool:
        """As the client says, else as the account likes it."""
        if not press.wish.remix or body.enable_remix is not None:
            return press.wish.form or (press.wish.remix and bool(body.enable_remix))
        return (await self.services.desk.preferences(self.who.person)).remix

    async def _task(self, task_id: str) -> Task:
        return await own_task(self.services, self.who.account_id, task_id)


def change_of(body: SimpleChange) -> Change:
    """Refusal for a line that says none."""
    task_id, action, index = presses.read_change(body.content)
    said = {"task_id": task_id, "action": action, "index": index}
    around = {"state": body.state, "notify_hook": body.notify_hook}
    return Change.model_validate(said | around)
