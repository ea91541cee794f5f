"""What the desk goes by."""

from dataclasses import dataclass

from shared.access import Question, usual_model
from shared.catalog import Catalog, Checkpoint
from shared.config import SafetySettings
from shared.moderation.strikes import DEFAULT
from shared.plans import PlanBook
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
