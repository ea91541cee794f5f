"""The SHA-256 of every file of a weights folder, written once and checked by every loader."""

import hashlib
import json
import sys
from pathlib import Path

from shared.errors import Fault

NAME = "manifest.json"
WEIGHTS = Path(__file__).parent / "weights"


def weights_folder(name: str) -> Path:
    return WEIGHTS / name


def verify(folder: Path) -> dict[str, str]:
    """The digest of each file by its path in `folder`; Fault if one is missing, extra or changed."""
    expected = _read(folder)
    found = _digests(folder)
    for path in sorted(expected.keys() | found.keys()):
        _compare(folder, path, wanted=expected.get(path), got=found.get(path))
    return found


def write(folder: Path) -> dict[str, str]:
    digests = _digests(folder)
    text = json.dumps({"sha256": digests}, indent=2, sort_keys=True)
    target = folder / NAME
    target.write_text(text + "\n")
    target.chmod(0o644)
    return digests


def main(arguments: list[str]) -> None:
    """Lists the folders named: `python -m farm.postcards.manifest FOLDER ...`."""
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


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / NAME)
    return {path.relative_to(folder).as_posix(): _digest(path) for path in sorted(files)}


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _compare(folder: Path, path: str, *, wanted: str | None, got: str | None) -> None:
    if wanted == got:
        return
    state = "missing" if got is None else "not listed" if wanted is None else "changed"
    raise _fault(f"The weights file {path} in {folder} is {state}.")


def _fault(problem: str) -> Fault:
    return Fault("weights_altered", f"{problem} Restore the folder from the repository.")


if __name__ == "__main__":
    main(sys.argv[1:])
