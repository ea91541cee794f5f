"""Sentences that speak to a machine about its rules instead of describing a picture. Pure."""

import re

CERTAIN, LIKELY = 0.9, 0.65  # refused by the shipped policy; looked at


def _any(words: str) -> str:
    """Of words and phrases, with `_` for the space in one."""
    return f"(?:{'|'.join(words.split()).replace('_', ' ')})"


_AIM = _any(
    r"instructions? rules? guidelines? directives? prompts? restrictions? polic(?:y|ies) filters?"
    r" safety safeguards? moderation censorship guardrails? programming"
)
_CHECKS = _any(
    r"instructions? guidelines? content_filters? nsfw_filters? safety_filters? safeguards? guardrails?"
    r" content_polic(?:y|ies) safety_checks? safety_checkers? moderation"
)
_PUT_ASIDE = _any("ignore disregard forget override bypass overrule neglect")
_SWITCH_OFF = _any(
    "ignore disregard bypass disable deactivate evade circumvent turn_off switch_off"
)
_EARLIER = _any("previous prior above earlier preceding former foregoing system your safety all")
_BEFORE = _any("above before told said previously prior")
_TELL = _any("reveal print show repeat output display leak tell_me what_is what_are write_out")
_INNER = _any("system initial hidden original secret")
_TOLD = _any(r"prompts? instructions? message")
_MODES = _any(
    "do_anything_now dan_mode developer_mode_enabled jailbreak_mode jailbroken_mode unrestricted_mode"
    " uncensored_mode nsfw_mode_on nsfw_mode_enabled enable_nsfw"
)
_ROLES = _any("an? the my free bound restricted dan going_to_act")
_NEW = _any("new updated real actual")
_FOLLOWS = _any("are is follow for_you below")
# Without one of these no pattern below can match, and most prompts have none.
_NEEDED = re.compile(
    r" (?:instruc|rule|guidel|direct|prompt|restri|polic|filter|safe|moder|censor|guard|program"
    r"|everything|anything|all|now|no longer|mode|jailb|dan|developer|system|nsfw)"
)
_PATTERNS = (
    ("ignore-instructions", CERTAIN, rf"{_PUT_ASIDE}(?: \w+){{0,4}}? {_EARLIER}(?: \w+){{0,4}}? {_AIM}"),
    ("ignore-instructions", CERTAIN, rf"{_SWITCH_OFF}(?: \w+){{0,3}}? {_CHECKS}"),
    ("forget-everything", CERTAIN, rf"{_PUT_ASIDE} (?:everything|anything|all)(?: \w+){{0,3}}? {_BEFORE}"),
    ("system-prompt", CERTAIN, rf"{_TELL}(?: \w+){{0,3}}? {_INNER} {_TOLD}"),
    ("system-role", LIKELY, r"(?:system|developer) (?:prompt|message|override|mode)"),
    ("jailbreak", CERTAIN, _MODES),
    ("you-are-now", LIKELY, rf"you are (?:now|no longer) {_ROLES}"),
    ("new-instructions", LIKELY, rf"{_NEW} instructions? {_FOLLOWS}"),
    ("rules-off", CERTAIN, rf"(?:no|without)(?: \w+)? (?:content|safety|nsfw) {_AIM}"),
)  # fmt: skip
_COMPILED = tuple(
    (name, score, re.compile(rf"\b{pattern}\b")) for name, score, pattern in _PATTERNS
)


def injections(line: str) -> list[tuple[str, float]]:
    """(name, score) of each pattern in a line of lower-case words."""
    if not _NEEDED.search(line):
        return []
    return [(name, score) for name, score, pattern in _COMPILED if pattern.search(line)]
