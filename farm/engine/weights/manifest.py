"""The SHA-256 of every file of a weights folder, written once and checked by every loader."""

import json
import sys
from pathlib import Path

from farm.engine.weights.digests import Digest, sha256_of
from shared.errors import Fault

NAME = "manifest.json"


def verify(folder: Path, digest: Digest = sha256_of) -> dict[str, str]:
    """The digest of each file by its path in `folder`; Fault if one is missing, extra or changed."""
    expected = _read(folder)
    found = take(folder, digest)
    for path in sorted(expected.keys() | found.keys()):
        _compare(folder, path, wanted=expected.get(path), got=found.get(path))
    return found


def take(folder: Path, digest: Digest = sha256_of) -> dict[str, str]:
    """The digest of each file by its path in `folder`, whatever its manifest says."""
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / NAME)
    return {path.relative_to(folder).as_posix(): digest(path) for path in sorted(files)}


def write(folder: Path) -> dict[str, str]:
    digests = take(folder)
    text = json.dumps({"sha256": digests}, indent=2, sort_keys=True)
    target = folder / NAME
    target.write_text(text + "\n")
    target.chmod(0o644)
    return digests


def main(arguments: list[str]) -> None:
    """Lists the folders named: `python -m farm.engine.weights.manifest FOLDER ...`."""
    for argument in arguments:
        print(f"{argument}: {len(write(Path(argument)))} files listed")


def _read(folder: Path) -> dict[str, str]:
    try:
        listed = json.loads((folder / NAME).read_text())["sha256"]
        return {str(path): str(digest) for path, digest in listed.items()}
    except FileNotFoundError:
        raise _fault(f"The weights in {folder} have no {NAME}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _fault(f"The {NAME} in {folder} cannot be read.") from None


def _compare(folder: Path, path: str, *, wanted: str | None, got: str | None) -> None:
    if wanted == got:
        return
    state = "missing" if got is None else "not listed" if wanted is None else "changed"
    raise _fault(f"The weights file {path} in {folder} is {state}.")


def _fault(problem: str) -> Fault:
    return Fault("weights_altered", f"{problem} Restore the folder from where it came.")


if __name__ == "__main__":
    main(sys.argv[1:])
