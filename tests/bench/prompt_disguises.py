"""What the prompt screen stops of each disguise: `python -m tests.bench.prompt_disguises`.

Every third firm sexual term of the list in a plain sentence; the word alone is dressed, or the whole prompt.
"""

from farm.safety.training.figures import Share
from shared.config import SHARED
from shared.safety.blocklist import read_blocklist
from shared.safety.screen import open_screen
from shared.safety.verdict import Decision
from tests.shared.obfuscations import DISGUISES

BLOCKLIST = SHARED / "safety" / "blocklist.toml"
FIRM = ("explicit", "inside", "strong")
TEMPLATES = ("a {} woman by the sea", "{} in a hotel room, photo", "portrait of a couple, {}")
EVERY = 3


def main() -> None:
    screen = open_screen(BLOCKLIST, SHARED / "safety" / "policy.toml")
    terms = _terms()
    for name, dress in DISGUISES.items():
        dressed = {
            "word": [_sentence(place).format(dress(term)) for place, term in enumerate(terms)],
            "whole": [dress(_sentence(place).format(term)) for place, term in enumerate(terms)],
        }
        for what, texts in dressed.items():
            stopped = sum(screen.screen([text]).decision is Decision.BLOCK for text in texts)
            low, high = Share(stopped, len(texts)).interval
            print(f"{what:6} {name:26} {stopped} of {len(texts)}  {low:.1%} to {high:.1%}")


def _terms() -> list[str]:
    listed = read_blocklist(BLOCKLIST).terms.values()
    firm = [term.text for term in listed if term.category == "sexual" and term.strength in FIRM]
    return [text for text in firm if text.isascii() and len(text.replace(" ", "")) > 3][::EVERY]


def _sentence(place: int) -> str:
    return TEMPLATES[place % len(TEMPLATES)]


if __name__ == "__main__":
    main()
