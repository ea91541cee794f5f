"""What the desk goes by."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.access import Question, adapter_plan, usual_model
from shared.catalog import Catalog, Checkpoint
from shared.config import SafetySettings
from shared.errors import Refusal
from shared.moderation.strikes import DEFAULT
from shared.plans import Plan, PlanBook
from shared.prompt import Prompt
from shared.safety.screen import PromptScreen


@dataclass(frozen=True, slots=True)
class Rulebook:
    """`safety` says what share of the grey zone moderators look at and what follows strikes, and knows banned
    people again who had themselves erased."""

    plans: PlanBook
    catalog: Catalog
    screen: PromptScreen
    safety: SafetySettings = DEFAULT

    def checkpoint(self, prompt: Prompt, question: Question) -> Checkpoint:
        """The one that the prompt names, else the usual one."""
        return self.named(prompt) or self.usual(question)

    def named(self, prompt: Prompt) -> Checkpoint | None:
        """By --model, --version or --niji."""
        return self.catalog.asked(prompt.model, prompt.version)

    def usual(self, question: Question) -> Checkpoint:
        """Of what nobody asked for by name, on this server and with this plan."""
        return self.catalog.get(
            usual_model(question, (self.catalog.default, *self.catalog.checkpoints))
        )

    def check_adapters(self, names: Iterable[str], plan: Plan) -> None:
        """Refusal for one that is gone, or that the catalog keeps for a weightier plan. Of a plan that is not
        there: nobody's."""
        for name in names:
            adapter = self.catalog.adapters.get(name)
            if adapter is None:
                sentence = f"“{name}” is no longer in this farm's catalog. Choose another one."
                raise Refusal("unknown_adapter", sentence, field="model")
            adapter_plan(name, adapter.plan, plan, self.plans).check()
