"""The farm's own keys: what C2PA asks of them, who may read them, and that nothing is written over."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from farm import keyring
from farm.safety import keys
from shared.errors import Fault, Refusal

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.make_keys(tmp_path / "keys", now=NOW, name="A farm")
    return tmp_path / "keys"


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_leaf_is_what_c2pa_takes(folder: Path) -> None:
    leaf, root = certificate(folder / keys.LEAF), certificate(folder / keys.ROOT)
    leaf.verify_directly_issued_by(root)
    told = leaf.extensions
    assert told.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert told.get_extension_for_class(x509.KeyUsage).value.digital_signature
    purposes = told.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION]
    above = told.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert above == root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert leaf.subject != root.subject


def test_the_root_vouches_for_leaves_and_for_nothing_else(folder: Path) -> None:
    told = certificate(folder / keys.ROOT).extensions
    limits = told.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)
    usage = told.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert not usage.digital_signature


def test_only_their_owner_can_read_them(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder, folder / "offline")} == {0o700}


@pytest.mark.parametrize("name", [keys.ROOT_KEY, keys.ROOT, keys.LEAF, keys.LEAF_KEY, keys.MARK])
def test_nothing_is_written_over(tmp_path: Path, name: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(Refusal, match="exist already"):
        keys.make_keys(tmp_path, now=NOW, name="A farm")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_renewed_leaf_has_the_same_root_and_another_key(folder: Path) -> None:
    before = keys.read_keys(folder)
    keys.renew_leaf(folder, root_key=folder / keys.ROOT_KEY, now=NOW + timedelta(days=365))
    after = keys.read_keys(folder)
    assert (before.root, before.mark) == (after.root, after.mark)
    assert keys.fingerprint(before.chain) != keys.fingerprint(after.chain)
    keys.read_leaf_key(folder)
    assert sorted(path.name for path in folder.glob("*.new")) == []


def test_another_roots_key_renews_nothing(folder: Path, tmp_path: Path) -> None:
    keys.make_keys(tmp_path / "other", now=NOW, name="Another farm")
    before = (folder / keys.LEAF).read_bytes()
    with pytest.raises(Refusal, match="not the key of the root"):
        keys.renew_leaf(folder, root_key=tmp_path / "other" / keys.ROOT_KEY, now=NOW)
    assert (folder / keys.LEAF).read_bytes() == before


@pytest.mark.parametrize("name", [keys.ROOT, keys.LEAF, keys.MARK])
def test_keys_that_are_missing_or_damaged_are_a_fault(folder: Path, name: Path) -> None:
    (folder / name).write_text("no such thing")
    with pytest.raises(Fault, match="is not what"):
        keys.read_keys(folder)
    (folder / name).unlink()
    with pytest.raises(Fault, match="pictor keys init"):
        keys.read_keys(folder)


def test_a_leaf_of_another_root_is_a_fault(folder: Path, tmp_path: Path) -> None:
    keys.make_keys(tmp_path / "other", now=NOW, name="A farm")
    (folder / keys.LEAF).write_bytes((tmp_path / "other" / keys.LEAF).read_bytes())
    with pytest.raises(Fault, match="is not what"):
        keys.read_keys(folder)


def test_a_key_that_is_not_the_leafs_is_a_fault(folder: Path, tmp_path: Path) -> None:
    keys.make_keys(tmp_path / "other", now=NOW, name="A farm")
    (folder / keys.LEAF_KEY).write_bytes((tmp_path / "other" / keys.LEAF_KEY).read_bytes())
    with pytest.raises(Fault, match="is not what"):
        keys.read_leaf_key(folder)


def test_the_command_says_what_to_publish_and_refuses_a_second_time(tmp_path: Path) -> None:
    place = tmp_path / "keys"
    first = CliRunner().invoke(keyring.app, ["init", "--folder", str(place), "--name", "A farm"])
    assert first.exit_code == 0, first.output
    assert f"Publish {place / 'root.pem'}" in first.output
    assert keys.fingerprint(keys.read_root(place)) in first.output
    second = CliRunner().invoke(keyring.app, ["init", "--folder", str(place)])
    assert second.exit_code == 2
    missing = CliRunner().invoke(keyring.app, ["init", "--folder", str(place), "--if-missing"])
    assert (missing.exit_code, missing.output) == (0, "")
