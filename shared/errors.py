"""Two kinds of failure. Whose fault it is decides the text, the retry, the refund and the log level."""


class Refusal(Exception):
    """The user's to fix: a stable `code`, a sentence fit to show, and where it helps the field and the
    character in it, counted from 1."""

    def __init__(
        self, code: str, sentence: str, *, field: str | None = None, position: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.field = field
        self.position = position


class Fault(Exception):
    """Ours. A `retryable` one is tried again; the user is told only `sentence` and never charged."""

    def __init__(self, code: str, sentence: str, *, retryable: bool = False) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.retryable = retryable
