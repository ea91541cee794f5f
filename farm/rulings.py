"""What findings mean for whoever asked: which of them counts, whose fault it is, and the words for it. Pure."""

from collections.abc import Sequence

from farm.engine.messages import Finding
from farm.safety.detectors.contract import KNOWN, OUT_OF_WORLD
from shared.safety.verdict import MINOR, Decision

FORGIVEN = frozenset({"filter_failed:blank", "filter_failed:hashes:picture"})


def known(findings: Sequence[Finding]) -> Sequence[Finding]:
    """A decision that nobody knows is a no."""
    decisions = {decision.value for decision in Decision}
    return [one if one.decision in decisions else NO_FINDING for one in findings]


def worst_of(findings: Sequence[Finding]) -> Finding:
    """Of the pictures not allowed, the one the user is told of: what no appeal lifts before all else, and
    what was drawn before what broke."""
    not_allowed = [finding for finding in findings if finding.decision != Decision.ALLOW]
    return min(
        not_allowed, key=lambda f: (is_ours(f), is_innocent(f), not is_hard(f)), default=NO_FINDING
    )


# The engine answered with fewer findings than pictures, or for other pixels.
NO_FINDING = Finding("", Decision.BLOCK, "damaged", 1.0, "filter_failed:finding", "none")


def is_hard(finding: Finding) -> bool:
    return finding.category in (KNOWN, MINOR)


def is_ours(finding: Finding) -> bool:
    return finding.rule.startswith("filter_failed")


def breaks_trust(finding: Finding) -> bool:
    """A failure of the filter itself. Blank pictures are the model's, and unreadable files their
    owner's: nobody may stop the farm by asking for those."""
    return is_ours(finding) and finding.rule not in FORGIVEN


def is_innocent(finding: Finding) -> bool:
    """Nobody is to blame for our own failure, nor for a picture that merely came out wrong."""
    return is_ours(finding) or finding.category == OUT_OF_WORLD


def code_for(finding: Finding) -> str:
    if is_ours(finding):
        return "filter_failed"
    return "known_picture" if finding.category == KNOWN else "image_blocked"


def sentence_for(finding: Finding) -> str:
    if is_ours(finding):
        return (
            "The image filter could not check this picture, so it is not shown. Please try again."
        )
    if finding.category == OUT_OF_WORLD:
        return (
            "The image filter did not recognise this picture as one of this model's, so it is not "
            "shown. More steps or another seed usually help."
        )
    if finding.category == KNOWN:
        return "This picture is on a list of pictures that are never used or shown here."
    category = finding.category.replace("_", " ")
    return (
        f"The image filter withheld this picture ({category}). Please change the prompt and try "
        "again."
    )
