"""Where pictures lie: a local folder, or anything that speaks S3. A key is written once and never changed."""

import asyncio
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from shared.config import StorageSettings
from shared.errors import Fault

T = TypeVar("T")

# Segments of letters, digits, dot, dash and underscore; none starts with a dot, so none climbs.
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_KEY_LIMIT = 512
IMMUTABLE = "public, max-age=31536000, immutable"
# Of S3, in seconds; each call is made once, for whoever needs it made again waits and asks again.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 2, 6
CALL_WITHIN_S = 9.5  # also of a disk that hangs, or a body that trickles
PAGE = 1000  # what S3 lists at once, at most
_PING_KEY = "ping"
_DRAFT = ".tmp"
DRAFT_LIFE_S = 600  # no put takes as long, on whatever disk


@dataclass(frozen=True, slots=True)
class Stored:
    key: str
    age_s: float  # by the store's own clock


class ObjectStore(Protocol):
    """Faults: `storage_down` (retryable), `asset_exists`, `asset_missing`, `asset_key`."""

    async def put(self, key: str, data: bytes, *, mime: str) -> None:
        """Whole or not at all. A key that is taken is a Fault, whatever lies under it."""
        ...

    async def get(self, key: str) -> bytes: ...

    async def delete(self, key: str) -> None:
        """What is not there is deleted already."""
        ...

    async def exists(self, key: str) -> bool: ...

    def list(self) -> AsyncIterator[Sequence[Stored]]:
        """Everything that lies here, by the page. What comes or goes meanwhile may be in it or not."""
        ...

    async def tidy(self) -> int:
        """Removes what a put that was cut short has left, and says how much that was."""
        ...

    def url(self, key: str) -> str: ...

    async def ping(self) -> None: ...


def open_store(settings: StorageSettings) -> ObjectStore:
    if settings.kind == "s3":
        return S3Store(settings)
    return LocalStore(settings.folder, settings.public_url)


class LocalStore:
    def __init__(self, folder: Path, public_url: str) -> None:
        self._folder = folder.resolve()
        self._public_url = public_url.rstrip("/")

    async def put(self, key: str, data: bytes, *, mime: str) -> None:
        path = self.path(key)
        await _in_thread(lambda: _write_once(path, data), key)

    async def get(self, key: str) -> bytes:
        path = self.path(key)
        return await _in_thread(path.read_bytes, key)

    async def delete(self, key: str) -> None:
        path = self.path(key)
        await _in_thread(lambda: path.unlink(missing_ok=True), key)

    async def exists(self, key: str) -> bool:
        path = self.path(key)
        return await _in_thread(path.is_file, key)

    async def list(self) -> AsyncIterator[Sequence[Stored]]:
        files = (
            Stored(path.relative_to(self._folder).as_posix(), age_s)
            for path, age_s in _files(self._folder)
            if not path.name.startswith(".")
        )
        while page := await _in_thread(lambda: [*islice(files, PAGE)], ""):
            yield page

    async def tidy(self) -> int:
        return await _in_thread(lambda: _remove_drafts(self._folder), "")

    def url(self, key: str) -> str:
        return f"{self._public_url}/{_checked(key)}"

    async def ping(self) -> None:
        """Writes, reads and deletes: a full or read-only disk is down."""
        key = f"{_PING_KEY}-{secrets.token_hex(4)}"
        await self.put(key, b"ping", mime="text/plain")
        await self.delete(key)

    def path(self, key: str) -> Path:
        """Where this key's file lies, inside the folder whatever the key says."""
        return self._folder / _checked(key)


class S3Store:
    def __init__(self, settings: StorageSettings) -> None:
        """Opens nothing yet."""
        self._bucket = settings.bucket
        self._public_url = settings.public_url.rstrip("/")
        self._client = _s3_client(settings)

    async def put(self, key: str, data: bytes, *, mime: str) -> None:
        request: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": _checked(key),
            "Body": data,
            "ContentType": mime,
            "CacheControl": IMMUTABLE,
            "IfNoneMatch": "*",
        }
        await _in_thread(lambda: self._client.put_object(**request), key)

    async def get(self, key: str) -> bytes:
        return await _in_thread(lambda: self._read(_checked(key)), key)

    async def delete(self, key: str) -> None:
        where = {"Bucket": self._bucket, "Key": _checked(key)}
        await _in_thread(lambda: self._client.delete_object(**where), key)

    async def exists(self, key: str) -> bool:
        where = {"Bucket": self._bucket, "Key": _checked(key)}
        try:
            await _in_thread(lambda: self._client.head_object(**where), key)
        except Fault as fault:
            if fault.code == "asset_missing":
                return False
            raise
        return True

    async def list(self) -> AsyncIterator[Sequence[Stored]]:
        where: dict[str, Any] = {"Bucket": self._bucket, "MaxKeys": PAGE}
        while True:
            ask = partial(self._client.list_objects_v2, **where)
            answer: dict[str, Any] = await _in_thread(ask, self._bucket)
            yield _listed(answer)
            if not answer["IsTruncated"]:
                return
            where["ContinuationToken"] = answer["NextContinuationToken"]

    async def tidy(self) -> int:
        """S3 keeps a whole object or nothing."""
        return 0

    def url(self, key: str) -> str:
        return f"{self._public_url}/{_checked(key)}"

    async def ping(self) -> None:
        try:
            await _in_thread(lambda: self._client.head_bucket(Bucket=self._bucket), self._bucket)
        except Fault as fault:  # a bucket that is missing is no missing picture
            raise _down() from fault

    def _read(self, key: str) -> bytes:
        with self._client.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
            data: bytes = body.read()
        return data


def _s3_client(settings: StorageSettings) -> Any:
    import boto3  # 25 MB and half a second that only a host with S3 should pay
    from botocore.config import Config

    def secret(name: str) -> str | None:
        value = getattr(settings, name)
        return value.get_secret_value() if value is not None else None

    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=secret("access_key"),
        aws_secret_access_key=secret("secret_key"),
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=16,
        ),
    )


def _checked(key: str) -> str:
    if len(key) > _KEY_LIMIT or not _KEY.fullmatch(key):
        raise Fault("asset_key", f"{key[:80]!r} cannot be a key in the picture store.")
    return key


def _write_once(path: Path, data: bytes) -> None:
    """A temporary file, flushed, then linked to its name: a link never replaces what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{secrets.token_hex(8)}{_DRAFT}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        _flush_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> Iterator[tuple[Path, float]]:
    """Every file and its age in seconds; what is deleted meanwhile is not there."""
    now = time.time()  # the clock that also dates the files
    for at, _, names in os.walk(folder, onerror=_raise_unless_gone):
        for name in names:
            path = Path(at, name)
            with suppress(FileNotFoundError):
                yield path, now - path.stat().st_mtime


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _remove_drafts(folder: Path) -> int:
    """Only a put that was killed leaves its draft."""
    files = _files(folder)
    drafts = [path for path, age_s in files if path.suffix == _DRAFT and age_s > DRAFT_LIFE_S]
    for draft in drafts:
        draft.unlink(missing_ok=True)
    return len(drafts)


def _listed(answer: dict[str, Any]) -> list[Stored]:
    """Ages by the clock of the server that dated the objects."""
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return [
        Stored(one["Key"], (now - one["LastModified"]).total_seconds())
        for one in answer.get("Contents", ())
    ]


async def _in_thread(action: Callable[[], T], key: str) -> T:
    """A thread cannot be ended: one that comes too late ends by itself, and nobody hears of it."""
    with _faults(key):
        async with asyncio.timeout(CALL_WITHIN_S):
            return await asyncio.to_thread(action)


@contextmanager
def _faults(key: str) -> Iterator[None]:
    """Translates what a disk or boto3 says, once. What is not known to be final may pass."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise _missing(key) from error
    except FileExistsError as error:
        raise _taken(key) from error
    except OSError as error:
        raise _down() from error
    except Exception as error:
        if not type(error).__module__.startswith(("botocore", "boto3")):
            raise
        raise _s3_fault(error, key) from error


def _s3_fault(error: Exception, key: str) -> Fault:
    response: dict[str, Any] = getattr(error, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = response.get("Error", {}).get("Code")
    if code in ("PreconditionFailed", "ConditionalRequestConflict"):
        return _taken(key)
    if status == 404 and code != "NoSuchBucket":
        return _missing(key)
    return _down()


def _missing(key: str) -> Fault:
    return Fault("asset_missing", f"The picture store has nothing under {key[:80]!r}.")


def _taken(key: str) -> Fault:
    return Fault("asset_exists", f"The picture store has something under {key[:80]!r} already.")


def _down() -> Fault:
    return Fault(
        "storage_down",
        "The picture store cannot be reached. Nothing was charged; please try again later.",
        retryable=True,
    )
