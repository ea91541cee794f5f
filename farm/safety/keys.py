"""The farm's own keys: a root that vouches, a leaf that signs pictures, and the secret of the watermark.

A single self-signed certificate is refused by C2PA, so there are two: the root signs nothing but leaves,
and its key may lie on another machine. A leaf is worn for a year and good for ten: what it has signed
outlives its use, since no time-stamping authority is asked.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.errors import Fault, Refusal

ROOT_KEY = Path("offline/root.key.pem")  # apart: nothing that runs every day needs it
ROOT, LEAF, LEAF_KEY, MARK = (
    Path(name) for name in ("root.pem", "leaf.pem", "leaf.key.pem", "watermark.key")
)
ROOT_LIFE, LEAF_LIFE = timedelta(days=20 * 365), timedelta(days=10 * 365)
SLACK = timedelta(
    minutes=5
)  # of clocks: a picture may be looked at by a host that is a little behind
MARK_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keys:
    """What delivery needs: certificates leaf first, as PEM; the root alone; the watermark's secret."""

    chain: str
    root: str
    mark: bytes


def make_keys(folder: Path, *, now: datetime, name: str) -> None:
    """Refusal when one of the files is there: an overwritten root disowns every picture it vouched for."""
    _check_free(folder, (ROOT_KEY, ROOT, LEAF, LEAF_KEY, MARK))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = _root(root_key, name=name, now=now)
    _write(folder / ROOT_KEY, _pem_of_key(root_key))
    _write(folder / ROOT, _pem(root))
    _write(folder / MARK, secrets.token_bytes(MARK_BYTES).hex().encode() + b"\n")
    _make_leaf(folder, root_key, root, now=now)


def renew_leaf(folder: Path, *, root_key: Path, now: datetime) -> None:
    """A fresh leaf under the same root, so that what the old one signed stays ours. The old key is gone."""
    root = x509.load_pem_x509_certificate(_read(folder / ROOT))
    key = _private_key(root_key)
    if key.public_key() != root.public_key():
        sentence = f"{root_key} is not the key of the root certificate in {folder}."
        raise Refusal("wrong_root_key", sentence, field="root_key")
    _make_leaf(folder, key, root, now=now)


def read_keys(folder: Path) -> Keys:
    """Fault `no_keys` when something is missing or is not what it should be."""
    leaf, root = (_read(folder / name).decode(errors="replace") for name in (LEAF, ROOT))
    try:
        vouched = x509.load_pem_x509_certificate(leaf.encode())
        vouched.verify_directly_issued_by(x509.load_pem_x509_certificate(root.encode()))
    except Exception as error:  # a library's: anything but a leaf of this root
        raise _unfit(folder / LEAF) from error
    return Keys(chain=leaf + root, root=root, mark=read_mark(folder))


def read_root(folder: Path) -> str:
    return _read(folder / ROOT).decode(errors="replace")


def read_mark(folder: Path) -> bytes:
    try:
        secret = bytes.fromhex(_read(folder / MARK).decode().strip())
    except ValueError as error:
        raise _unfit(folder / MARK) from error
    if len(secret) != MARK_BYTES:
        raise _unfit(folder / MARK)
    return secret


def read_leaf_key(folder: Path) -> bytes:
    """As PEM. Fault when it is not the key of the leaf beside it."""
    key = _private_key(folder / LEAF_KEY)
    if key.public_key() != public_key_of(_read(folder / LEAF).decode()):
        raise _unfit(folder / LEAF_KEY)
    return _read(folder / LEAF_KEY)


def public_key_of(pem: str) -> ec.EllipticCurvePublicKey:
    """Of the first certificate. Fault for a key of another kind."""
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise Fault("no_keys", "The signing certificate holds no P-256 key.")
    return public


def present(folder: Path) -> bool:
    """Whether there is anything here that `make_keys` would refuse to write over."""
    return any((folder / name).exists() for name in (ROOT_KEY, ROOT, LEAF, LEAF_KEY, MARK))


def fingerprint(pem: str) -> str:
    """SHA-256 of the first certificate, as other tools print it."""
    digest = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def end_of(pem: str) -> datetime:
    """Until when the first certificate holds."""
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def _make_leaf(
    folder: Path, root_key: ec.EllipticCurvePrivateKey, root: x509.Certificate, *, now: datetime
) -> None:
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    leaf = _leaf(leaf_key.public_key(), root_key, root, now=now)
    fresh = {LEAF: _pem(leaf), LEAF_KEY: _pem_of_key(leaf_key)}
    for name, data in fresh.items():  # both are on the disk before either takes its place
        (folder / f"{name}.new").unlink(missing_ok=True)
        _write(folder / f"{name}.new", data)
    for name in fresh:
        (folder / f"{name}.new").replace(folder / name)


def _root(key: ec.EllipticCurvePrivateKey, *, name: str, now: datetime) -> x509.Certificate:
    who = _name(name, "root")
    # Its path may hold no further authority: a leaf that got out cannot make leaves.
    draft = _draft(who, who, key.public_key(), now=now, life=ROOT_LIFE)
    draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    draft = draft.add_extension(_usage(authority=True), critical=True)
    return draft.sign(key, hashes.SHA256())


def _leaf(
    public: ec.EllipticCurvePublicKey,
    root_key: ec.EllipticCurvePrivateKey,
    root: x509.Certificate,
    *,
    now: datetime,
) -> x509.Certificate:
    """What C2PA asks of a signer: no authority, digitalSignature, a purpose, both key identifiers."""
    who = _name(_organisation(root), "pictures")
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    draft = _draft(who, root.subject, public, now=now, life=LEAF_LIFE)
    draft = draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    draft = draft.add_extension(_usage(authority=False), critical=True)
    draft = draft.add_extension(purpose, critical=False).add_extension(above, critical=False)
    return draft.sign(root_key, hashes.SHA256())


def _draft(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    *,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    draft = x509.CertificateBuilder(issuer_name=issuer, subject_name=subject, public_key=public)
    draft = draft.serial_number(x509.random_serial_number())
    draft = draft.not_valid_before(now - SLACK).not_valid_after(now + life)
    return draft.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(organisation: str, role: str) -> x509.Name:
    parts = {NameOID.ORGANIZATION_NAME: organisation, NameOID.COMMON_NAME: f"{organisation} {role}"}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts.items()])


def _organisation(certificate: x509.Certificate) -> str:
    (told,) = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(told.value)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Not encrypted: a pass phrase would lie beside it. The file's mode and the folder guard it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise _unfit(path) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unfit(path)
    return key


def _check_free(folder: Path, names: tuple[Path, ...]) -> None:
    taken = [str(folder / name) for name in names if (folder / name).exists()]
    if taken:
        sentence = f"{', '.join(taken)} exist already. Nothing was changed."
        raise Refusal("keys_exist", sentence, field="folder")


def _write(path: Path, data: bytes) -> None:
    """For its owner's eyes from the first byte on, and never over another file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise Refusal("keys_unwritable", f"{path} cannot be written: {error}.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        sentence = f"{path} cannot be read. Run `pictor keys init`, or set PICTOR_PROVENANCE__KEYS."
        raise Fault("no_keys", sentence) from error


def _unfit(path: Path) -> Fault:
    return Fault("no_keys", f"{path} is not what `pictor keys init` writes.")
