"""A store that speaks S3 and has bad days: errors, delays, what is stored and denied, what is cut off."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from threading import Lock, Thread
from typing import Any

import boto3
from moto.server import DomainDispatcherApplication, ThreadedMotoServer, create_backend_app
from pydantic import SecretStr
from werkzeug.serving import make_server

from shared.config import StorageSettings

BUCKET, NAME, SECRET = "pictures", "someone", "something"
# Of all requests, and of all puts.
ERRORS, SLOW, DENIED, CUT_OFF = 0.05, 0.02, 0.01, 0.01
SLOW_S = 0.3
Environment = dict[str, Any]


class SickStore:
    """In front of a healthy one, which `client` asks directly. `fates` counts what was done to requests."""

    def __init__(self, healthy: Any, client: Any, dice: Random) -> None:
        self._healthy, self.client, self._dice = healthy, client, dice
        self._lock = Lock()
        self.fates: dict[str, int] = {}

    def __call__(self, request: Environment, answer: Callable[..., Any]) -> Iterable[bytes]:
        fate = self._fate(put=request["REQUEST_METHOD"] == "PUT")
        if fate == "error":
            request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0))
            return _broken(answer)
        if fate == "slow":
            time.sleep(SLOW_S)
        if fate not in ("denied", "cut off"):
            return self._healthy(request, answer)
        stored: list[str] = []
        list(self._healthy(request, lambda status, *_: stored.append(status)))
        if fate == "cut off" and stored[0].startswith("200"):
            self._cut_off(request["PATH_INFO"].removeprefix(f"/{BUCKET}/"))
        return _broken(answer)

    def _fate(self, *, put: bool) -> str:
        with self._lock:
            dice = self._dice.random()
            edges = {"error": ERRORS, "slow": SLOW, **(PUTS if put else {})}
            fate = "well"
            for name, part in edges.items():
                if 0 <= dice < part:
                    fate = name
                dice -= part
            self.fates[fate] = self.fates.get(fate, 0) + 1
        return fate

    def _cut_off(self, key: str) -> None:
        data = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data[: len(data) // 2])

    def files(self) -> dict[str, bytes]:
        """What lies there really, whatever was said of it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
        read = self.client.get_object
        return {key: read(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


PUTS = {"denied": DENIED, "cut off": CUT_OFF}


@contextmanager
def sick_store(dice: Random) -> Iterator[tuple[SickStore, StorageSettings]]:
    """And the settings of who must get along with it."""
    with ExitStack() as stack:
        direct = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        direct.start()
        stack.callback(direct.stop)
        host, port = direct.get_host_and_port()
        client = _client(f"http://{host}:{port}")
        client.create_bucket(Bucket=BUCKET)
        sick = SickStore(DomainDispatcherApplication(create_backend_app), client, dice)
        server = make_server("127.0.0.1", 0, sick, threaded=True)
        Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        yield (
            sick,
            StorageSettings(
                kind="s3",
                bucket=BUCKET,
                endpoint_url=f"http://127.0.0.1:{server.server_port}",
                access_key=SecretStr(NAME),
                secret_key=SecretStr(SECRET),
            ),
        )


def _client(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=NAME,
        aws_secret_access_key=SECRET,
    )


def _broken(answer: Callable[..., Any]) -> list[bytes]:
    answer("500 Internal Server Error", [("Content-Type", "application/xml")])
    return [b"<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>"]
