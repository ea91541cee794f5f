"""What the desk goes by."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.access import Question, usual_model
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
            kept = self.plans.plans.get(adapter.plan)
            if adapter.plan and (kept is None or plan.weight < kept.weight):
                raise _kept_for(name, kept.title if kept else adapter.plan, plan)


def _kept_for(name: str, title: str, plan: Plan) -> Refusal:
    sentence = (
        f"“{name}” is for the {title} plan and above; yours is {plan.title}. "
        "Choose another one, or look at /subscribe."
    )
    return Refusal("adapter_not_in_plan", sentence, field="model")
