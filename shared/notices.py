"""What a person is told beside "accepted": a size that was fitted, words that the checkpoint does not know."""

from shared.catalog import Checkpoint, unknown_words
from shared.prompt import Prompt
from shared.spec import RenderSpec, size_notice


def notices(prompt: Prompt, spec: RenderSpec, checkpoint: Checkpoint) -> tuple[str, ...]:
    size = size_notice(prompt, spec, checkpoint)
    return (*([size] if size else []), *_unknown(spec, checkpoint))


def _unknown(spec: RenderSpec, checkpoint: Checkpoint) -> list[str]:
    text = " ".join([*(text.text for text in spec.texts), spec.negative])
    unknown = unknown_words(text, checkpoint)
    if not unknown:
        return []
    examples = "; ".join(f"“{example}”" for example in checkpoint.examples[:2])
    known = f" It knows subjects like {examples}." if examples else ""
    return [f"{checkpoint.title} does not know: {', '.join(unknown[:12])}.{known}"]
