"""The --ar grammar: text <-> Prompt. Pure."""

from dataclasses import dataclass

from shared.plans import Speed


@dataclass(frozen=True, slots=True)
class WeightedText:
    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """What was typed, parsed. None means not said; the checkpoint, plan or account decides."""

    texts: tuple[WeightedText, ...]
    negative: tuple[str, ...] = ()
    aspect: tuple[int, int] | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    quality: float | None = None
    repeat: int = 1
    speed: Speed | None = None
