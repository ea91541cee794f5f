"""Thresholds by category, how far a server may move them, and the verdict they make of an assessment. Pure.

Three zones: below `review` a prompt passes, from `review` on its pictures are judged strictly and a
sample is looked at by people, from `block` on it is refused (../docs/safety.md).
"""

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import Fault, Refusal
from shared.safety.verdict import (
    FAILED,
    NONE,
    POLICED,
    SEXUAL,
    Assessment,
    Decision,
    Sign,
    Verdict,
)

AGE = "+age"  # ends the version of a policy with the wider thresholds of an age-restricted channel


@dataclass(frozen=True, slots=True)
class Band:
    """0 < review <= block; `inf` as `block` means that the prompt alone never refuses this category."""

    review: float
    block: float

    def zone(self, score: float) -> Decision:
        if not math.isfinite(score) or score >= self.block:
            return Decision.BLOCK
        return Decision.REVIEW if score >= self.review else Decision.ALLOW


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a server's moderators may set `block` to."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Policy:
    """In force for one prompt. `version` names it in every verdict."""

    version: str
    bands: Mapping[str, Band]


@dataclass(frozen=True, slots=True)
class OperatorPolicy:
    """The operator's file. `wider` is the sexual band of age-restricted channels; None: they have none."""

    policy: Policy
    bounds: Mapping[str, Bounds]
    wider: Band | None = None

    def effective(
        self,
        own: Mapping[str, Band] | None = None,
        *,
        number: int = 0,
        age_restricted: bool = False,
    ) -> Policy:
        """`own` are a server's bands in their version `number`; what lies out of bounds is pulled in."""
        bands = {
            **self.policy.bands,
            **{name: self._within(name, band) for name, band in (own or {}).items()},
        }
        version = self.policy.version + (f"+server{number}" if own else "")
        if age_restricted and self.wider is not None:
            bands[SEXUAL] = _wider(bands[SEXUAL], self.wider)
            version += AGE
        return Policy(version, bands)

    def check(self, category: str, band: Band) -> None:
        """Refusal that names the category and what is allowed there."""
        bounds = self._bounds(category)
        if not (bounds.least <= band.block <= bounds.most and 0 < band.review <= band.block):
            sentence = (
                f"For {category} the operator allows a block threshold from {bounds.least:g} to "
                f"{bounds.most:g}, and a review threshold up to it."
            )
            raise Refusal("policy_out_of_bounds", sentence, field=category)

    def _within(self, category: str, band: Band) -> Band:
        bounds = self._bounds(category)
        block = min(max(band.block, bounds.least), bounds.most)
        return Band(min(band.review, block), block)

    def _bounds(self, category: str) -> Bounds:
        if category not in POLICED:
            sentence = f"There is no threshold for {category!r}. There are: {', '.join(POLICED)}."
            raise Refusal("unknown_category", sentence, field="category")
        fixed = self.policy.bands[category].block
        return self.bounds.get(category, Bounds(fixed, fixed))


def decide(assessment: Assessment, policy: Policy) -> Verdict:
    """The gravest zone any category is in; no answer and what no policy reaches are blocks."""
    version = f"{policy.version}|{assessment.version}"
    if assessment.failed:
        sign, decision = Sign(NONE, 1.0, f"{FAILED}:{assessment.failed}"), Decision.BLOCK
    elif assessment.hard is not None:
        sign, decision = assessment.hard, Decision.BLOCK
    else:
        sign, decision = _gravest(assessment, policy)
    return Verdict(
        decision,
        sign.category,
        sign.score,
        sign.rule,
        version,
        assessment.sha256,
        words=sign.words,
        scores=assessment.scores,
    )


def decide_scores(scores: Mapping[str, float], policy: Policy) -> tuple[Decision, str]:
    """(decision, category) of scores that were written down, as `decide` would see them today."""
    signs = tuple(Sign(category, score, "") for category, score in scores.items())
    sign, decision = _gravest(Assessment(signs, "", ""), policy)
    return decision, sign.category


def read_policy(path: Path) -> OperatorPolicy:
    """Fault when the file is missing, malformed, or leaves a category without a threshold."""
    try:
        return _policy(tomllib.loads(path.read_text()))
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        sentence = f"The safety policy {path} cannot be used: {type(error).__name__}: {error}."
        raise Fault("policy_unreadable", sentence) from error


def _gravest(assessment: Assessment, policy: Policy) -> tuple[Sign, Decision]:
    found = [
        (policy.bands[sign.category].zone(sign.score), sign)
        for sign in assessment.signs
        if sign.category in policy.bands
    ]
    if not found:
        return Sign(NONE, 0.0, ""), Decision.ALLOW
    decision, sign = max(found, key=lambda pair: (_GRAVITY[pair[0]], pair[1].score))
    return sign, decision


_GRAVITY = {Decision.ALLOW: 0, Decision.REVIEW: 1, Decision.BLOCK: 2}


def _policy(raw: Mapping[str, Any]) -> OperatorPolicy:
    stray = set(raw) - {"bands", "bounds", "age_restricted"}
    _require(not stray, f"unknown entries: {', '.join(sorted(stray))}")
    bands = {category: _band(category, raw["bands"][category]) for category in POLICED}
    strange = {*raw["bands"], *raw.get("bounds", {})} - set(POLICED)
    _require(not strange, f"no thresholds can be set for: {', '.join(sorted(strange))}")
    bounds = {name: _bounds(name, given) for name, given in raw.get("bounds", {}).items()}
    for name, limits in bounds.items():
        held = limits.least <= bands[name].block <= limits.most
        _require(held, f"bounds of {name} leave out its own block threshold")
    wider = raw.get("age_restricted")
    return OperatorPolicy(
        Policy(f"policy-{_digest(raw)}", bands),
        bounds,
        _band("age_restricted", wider) if wider else None,
    )


def _band(name: str, given: Mapping[str, float]) -> Band:
    _require(set(given) == {"review", "block"}, f"{name}: review and block must both be given")
    band = Band(float(given["review"]), float(given["block"]))
    _require(0 < band.review <= band.block, f"{name}: 0 < review <= block must hold")
    return band


def _bounds(name: str, given: Mapping[str, float]) -> Bounds:
    _require(
        set(given) == {"least", "most"}, f"bounds of {name}: least and most must both be given"
    )
    bounds = Bounds(float(given["least"]), float(given["most"]))
    _require(0 < bounds.least <= bounds.most, f"bounds of {name}: 0 < least <= most must hold")
    return bounds


def _wider(band: Band, wider: Band) -> Band:
    return Band(max(band.review, wider.review), max(band.block, wider.block))


def _digest(raw: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:12]


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)
