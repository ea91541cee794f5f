"""A double of Hugging Face that speaks `whoami-v2` over a real socket."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def person(name: str = "ada", *, role: str = "read", kind: str = "user") -> dict[str, Any]:
    token = {"displayName": "pictor", "role": role, "createdAt": "2026-01-01T00:00:00.000Z"}
    return {
        "type": kind,
        "id": f"5f0c{name}",
        "name": name,
        "fullname": name.title(),
        "email": f"{name}@example.org",
        "auth": {"type": "access_token", "accessToken": token},
    }


class Hub:
    """`people` by token. `status`: what it answers to everything instead; `slow_s`: how late."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.people: dict[str, Any] = {}
        self.status: int | None = None
        self.slow_s = 0.0
        self.asked: list[str] = []

    def answer(self, path: str, token: str) -> tuple[int, Any]:
        self.asked.append(token)
        time.sleep(self.slow_s)
        if self.status is not None:
            return self.status, {"error": "as told"}
        if path != "/api/whoami-v2":
            return 404, {"error": "not found"}
        found = self.people.get(token)
        return (200, found) if found else (401, {"error": "Invalid credentials"})


@contextmanager
def hub() -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, told = running.answer(self.path, token)
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
