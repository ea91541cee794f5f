"""Where a picture comes from, said twice: in its pixels (the watermark), and in a signed manifest (C2PA).

The order at the end is fixed: mark the pixels, encode them, sign the file, hash it. Whatever fails here
is a Fault: a picture that cannot say where it comes from is not delivered.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any, Protocol

import c2pa
import numpy as np
from PIL import Image

from farm.safety import keys, manifests, signers, watermark
from shared.config import ProvenanceSettings
from shared.errors import Fault

MIMES = ("image/png", "image/jpeg", "image/webp", "image/avif")
MADE_BY = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ORIGIN = manifests.ORIGIN
# A picture of the picture inside its own manifest would add up to 1.6 MB.
OPTIONS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a manifest says of its file. Never who asked for it; the prompt only if the operator wishes."""

    job: str
    spec_sha256: str
    checkpoint: str
    checkpoint_sha256: str | None
    recipe_sha256: str
    at: datetime
    prompt: str | None = None
    picture: str = ""


class Provenance(Protocol):
    marks: bool
    tells_prompt: bool

    def mark(self, image: Image.Image, code: int, *, index: int) -> Image.Image:
        """The same picture with `code` and `index` in its pixels, but below 256 pixels, where there is no
        room. Fault `not_marked`."""
        ...

    def sign(self, data: bytes, *, mime: str, claim: Claim) -> bytes:
        """The same file with a manifest. Fault `not_signed`."""
        ...


def open_provenance(settings: ProvenanceSettings) -> Provenance:
    """Fault `no_keys` or `not_signed` unless a first picture can be marked, signed and read back."""
    if not settings.enabled:
        return Unproven()
    found = keys.read_keys(settings.keys)
    command = settings.sign_command
    signer = (
        signers.by_command(command, found.chain)
        if command
        else signers.by_file(settings.keys, found.chain)
    )
    proven = Proven(
        signer, found, generator=settings.claim_generator, tells_prompt=settings.tell_prompt
    )
    _self_test(proven, found.root)
    return proven


class Unproven:
    """Switched off by the operator, in so many words."""

    marks = tells_prompt = False

    def mark(self, image: Image.Image, code: int, *, index: int) -> Image.Image:
        return image

    def sign(self, data: bytes, *, mime: str, claim: Claim) -> bytes:
        return data


class Proven:
    marks = True

    def __init__(
        self, signer: c2pa.Signer, found: keys.Keys, *, generator: str, tells_prompt: bool
    ) -> None:
        self._signer, self._mark, self._generator = signer, found.mark, generator
        self._context = c2pa.Context.from_dict(OPTIONS)
        self.tells_prompt = tells_prompt

    def mark(self, image: Image.Image, code: int, *, index: int) -> Image.Image:
        try:
            rgb = np.asarray(image.convert("RGB"))
            marked = watermark.embed(rgb, code, key=self._mark, index=index)
            return _checked(marked, rgb.shape)
        except Exception as error:
            raise _fault("not_marked", "The picture could not be marked.") from error

    def sign(self, data: bytes, *, mime: str, claim: Claim) -> bytes:
        signed = BytesIO()
        try:
            builder = c2pa.Builder(self._manifest(claim), context=self._context)
            with builder:
                builder.sign(self._signer, mime, BytesIO(data), signed)
        except Exception as error:
            raise _fault("not_signed", "The picture could not be signed.") from error
        return signed.getvalue()

    def _manifest(self, claim: Claim) -> str:
        maker = {"name": self._generator, "version": pictor_version()}
        created = {
            "action": "c2pa.created",
            "digitalSourceType": MADE_BY,
            "softwareAgent": maker,
            "when": _moment(claim.at),
        }
        return json.dumps(
            {
                "claim_generator_info": [maker],
                "title": f"{claim.job} {claim.picture}",
                "assertions": [
                    {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
                    {"label": ORIGIN, "data": _origin(claim)},
                ],
            }
        )


def _origin(claim: Claim) -> dict[str, Any]:
    told = {
        "job": claim.job,
        "picture": claim.picture,
        "spec_sha256": claim.spec_sha256,
        "checkpoint": claim.checkpoint,
        "checkpoint_sha256": claim.checkpoint_sha256,
        "recipe_sha256": claim.recipe_sha256,
        "made_at": _moment(claim.at),
        "prompt": claim.prompt,
    }
    return {name: value for name, value in told.items() if value is not None}


def pictor_version() -> str:
    try:
        return version("pictor")
    except PackageNotFoundError:
        return "source"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _checked(marked: Any, shape: tuple[int, ...]) -> Image.Image:
    """A mark that changed the size or the kind of the pixels has spoilt the picture."""
    if marked.shape != shape or marked.dtype != np.uint8:
        raise ValueError(f"{marked.dtype} {marked.shape} came back for uint8 {shape}")
    return Image.fromarray(marked)


def _fault(code: str, sentence: str) -> Fault:
    return Fault(code, sentence, retryable=True)


def _self_test(proven: Proven, root: str) -> None:
    """Found out now, at the start, and not by the first customer."""
    noise = np.random.default_rng(7).integers(96, 160, (256, 256, 3), dtype=np.uint8)
    encoded = BytesIO()
    proven.mark(Image.fromarray(noise), 7, index=0).save(encoded, "PNG")
    claim = Claim("self-test", "", "", None, "", datetime.now(UTC))
    signed = proven.sign(encoded.getvalue(), mime="image/png", claim=claim)
    found = manifests.read_manifest(signed, "image/png", root=root)
    if found.state is not manifests.State.OURS:
        raise Fault("no_keys", f"What these keys sign is not ours to a reader: {found.state}.")
