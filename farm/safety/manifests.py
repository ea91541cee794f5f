"""A file's C2PA manifest, read by C2PA's own library and judged by our root alone."""

from enum import StrEnum
from io import BytesIO
from typing import Any

import c2pa
import msgspec

# Our assertion, named by the reverse of a domain as C2PA asks.
ORIGIN = "org.pictor.origin"
CONTENT_HASHES = frozenset({"assertion.dataHash.mismatch", "assertion.bmffHash.mismatch"})
AGED = frozenset({"signingCredential.expired", "claimSignature.outsideValidity"})
UNTRUSTED = "signingCredential.untrusted"
VOUCHED = frozenset({"signingCredential.trusted", "claimSignature.validated"})


class State(StrEnum):
    ABSENT = "absent"
    OURS = "ours"  # signed under our root, and not one byte has changed since
    ALTERED = "altered"  # signed under our root, but for other bytes than these
    EXPIRED = "expired"  # whole, by a certificate whose time is over: no longer to be judged
    FOREIGN = "foreign"  # whole, and signed by somebody else
    BROKEN = "broken"  # there is one, and it proves nothing


class Manifest(msgspec.Struct, frozen=True):
    """`job`, `made_at` and so on are told only if our root vouches for them; `signer` is a claim."""

    state: State
    signer: str = ""
    job: str = ""
    picture: str = ""
    made_at: str = ""
    recipe_sha256: str = ""
    failures: tuple[str, ...] = ()


def read_manifest(data: bytes, mime: str, *, root: str) -> Manifest:
    """Never raises for what is in the file, and never asks the network."""
    context = c2pa.Context.from_dict(_settings(root))
    try:
        with c2pa.Reader(mime, BytesIO(data), context=context) as reader:
            active = reader.get_active_manifest() or {}
            results = (reader.get_validation_results() or {}).get("activeManifest") or {}
            return _judged(reader.get_validation_state() or "", active, results)
    except c2pa.C2paError.ManifestNotFound:
        return Manifest(State.ABSENT)
    except Exception as error:  # hostile bytes surprise a parser in more ways than it names
        return Manifest(State.BROKEN, failures=(type(error).__name__.removeprefix("_C2pa"),))


def _settings(root: str) -> dict[str, Any]:
    """A file may name an address where its manifest lies: whoever fetched it would ask for a stranger."""
    silent = {"remote_manifest_fetch": False, "ocsp_fetch": False}
    return {
        "trust": {"trust_anchors": root},
        "verify": {"verify_trust": True, "verify_after_reading": True} | silent,
    }


def _judged(state: str, active: dict[str, Any], results: dict[str, Any]) -> Manifest:
    passed = {str(found["code"]) for found in results.get("success", ())}
    failed = {str(found["code"]) for found in results.get("failure", ())}
    signed = dict(active.get("signature_info") or {})
    signer = str(signed.get("issuer") or signed.get("common_name") or "")
    judged = _state(state, passed, failed)
    told = _origin(active) if judged in (State.OURS, State.ALTERED) else {}
    return Manifest(judged, signer, failures=tuple(sorted(failed)), **told)


def _state(state: str, passed: set[str], failed: set[str]) -> State:
    vouched = passed >= VOUCHED
    if state == "Trusted" and vouched and not failed:
        return State.OURS
    if vouched and failed and failed <= CONTENT_HASHES:
        return State.ALTERED
    if failed and failed <= AGED | {UNTRUSTED}:  # the library trusts nothing that has expired
        return State.EXPIRED if failed & AGED else State.FOREIGN
    return State.BROKEN


def _origin(active: dict[str, Any]) -> dict[str, str]:
    for assertion in active.get("assertions", ()):
        if assertion.get("label") == ORIGIN:
            data = assertion.get("data") or {}
            names = ("job", "picture", "made_at", "recipe_sha256")
            return {name: str(data.get(name, "")) for name in names}
    return {}
