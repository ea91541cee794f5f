"""What a person is told beside "accepted": a size that was fitted, a drawn style code, what did nothing."""

from shared.catalog import Checkpoint, unknown_words
from shared.looks import style_of
from shared.prompt import Prompt
from shared.references import RANDOM
from shared.spec import RenderSpec, size_notice


def notices(prompt: Prompt, spec: RenderSpec, checkpoint: Checkpoint) -> tuple[str, ...]:
    size = size_notice(prompt, spec, checkpoint)
    told = [*_codes(prompt, spec), *_idle(prompt, checkpoint), *_unknown(prompt, checkpoint)]
    return (*([size] if size else []), *told)


def _codes(prompt: Prompt, spec: RenderSpec) -> list[str]:
    """What `random` became, so that it may be had again."""
    drawn = zip(
        (one for one in prompt.style_refs if not one.is_link), spec.style_codes, strict=False
    )
    return [
        f"The style was drawn by chance: --sref {code} gives it again."
        for one, code in drawn
        if one.what == RANDOM
    ]


def _idle(prompt: Prompt, checkpoint: Checkpoint) -> list[str]:
    """Not silently: a strength of nothing."""
    if prompt.stylize is None or style_of(prompt, checkpoint):
        return []
    names = ", ".join(checkpoint.styles)
    advice = f" Choose one by --style: {names}." if names and not prompt.raw else ""
    return [f"--stylize {prompt.stylize} did nothing: there is no style to make stronger.{advice}"]


def _unknown(prompt: Prompt, checkpoint: Checkpoint) -> list[str]:
    text = " ".join([*(text.text for text in prompt.texts), *prompt.negative])
    unknown = unknown_words(text, checkpoint)
    if not unknown:
        return []
    examples = "; ".join(f"“{example}”" for example in checkpoint.examples[:2])
    known = f" It knows subjects like {examples}." if examples else ""
    return [f"{checkpoint.title} does not know: {', '.join(unknown[:12])}.{known}"]
