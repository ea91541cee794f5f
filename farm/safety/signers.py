"""Who signs: a key in a file, or a command that asks a key which never leaves its safe."""

import base64
import binascii
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import c2pa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from farm.safety import keys
from shared.errors import Fault

ES256 = ec.ECDSA(hashes.SHA256())
HALF = 32  # C2PA wants r and s, as many bytes each
COMMAND_S = 10.0


def by_file(folder: Path, chain: str) -> c2pa.Signer:
    """C2PA's own signer: it reserves 2 KB for a signature, 11 KB where it calls us back."""
    pem = keys.read_leaf_key(folder)
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain.encode(), pem, None))


def by_command(command: str, chain: str) -> c2pa.Signer:
    return c2pa.Signer.from_callback(asking(command, chain), c2pa.C2paSigningAlg.ES256, certs=chain)


def asking(command: str, chain: str) -> Callable[[bytes], bytes]:
    """`command` reads the bytes from stdin and prints their ECDSA signature with SHA-256: DER or r and s,
    as bytes or in base64, which is what the tools of key services print. No shell is between."""
    words = shlex.split(command)
    public = keys.public_key_of(chain)

    def sign(data: bytes) -> bytes:
        for signature in _readings(_ran(words, data)):
            if _verifies(public, signature, data):
                return signature
        raise Fault(
            "not_signed", "The signing command did not answer with a signature of our leaf."
        )

    return sign


def _ran(words: list[str], data: bytes) -> bytes:
    try:
        done = subprocess.run(words, input=data, capture_output=True, check=True, timeout=COMMAND_S)
    except (OSError, subprocess.SubprocessError) as error:
        sentence = f"The signing command {words[0]} failed ({type(error).__name__})."
        raise Fault("not_signed", sentence, retryable=True) from error
    return done.stdout


def _readings(told: bytes) -> list[bytes]:
    """Everything that the answer may mean, in C2PA's form."""
    forms = [told, *_from_base64(told)]
    return [form for form in forms if len(form) == 2 * HALF] + _from_der(forms)


def _from_base64(told: bytes) -> list[bytes]:
    try:
        return [base64.b64decode(b"".join(told.split()), validate=True)]
    except binascii.Error:
        return []


def _from_der(forms: list[bytes]) -> list[bytes]:
    found = []
    for form in forms:
        try:
            r, s = decode_dss_signature(form)
            found.append(r.to_bytes(HALF, "big") + s.to_bytes(HALF, "big"))
        except (ValueError, OverflowError):
            continue
    return found


def _verifies(public: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    r, s = (int.from_bytes(half, "big") for half in (signature[:HALF], signature[HALF:]))
    try:
        public.verify(encode_dss_signature(r, s), data, ES256)
    except InvalidSignature:
        return False
    return True
