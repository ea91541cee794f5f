"""Where a request shows its key. Never in the address: addresses are logged, shared and kept."""

from collections.abc import Iterable

from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

PROTOCOL = "pictor.v1"  # what a browser's socket asks for, beside the key: it can send no header
_KEY_PROTOCOL = "pictor.key."
# Clients of the proxy's dialect and of AI Horde's have headers of their own.
HEADERS = ("authorization", "mj-api-secret", "apikey")


class Credentials(SecurityBase):
    """`Authorization: Bearer ...`; for sockets also the subprotocols `pictor.v1, pictor.key.<key>`."""

    def __init__(self) -> None:
        words = "An API key, as `Authorization: Bearer pk_live_...`"
        self.model = HTTPBearer(description=words)
        self.scheme_name = "HTTPBearer"

    async def __call__(self, connection: HTTPConnection) -> str | None:
        return shown(connection)


def shown(connection: HTTPConnection) -> str | None:
    """Some clients send it bare, without the word Bearer."""
    for name in HEADERS:
        told = connection.headers.get(name, "").strip()
        scheme, _, rest = told.partition(" ")
        if secret := rest.strip() if scheme.lower() == "bearer" else told:
            return secret
    return _in_protocols(connection.scope.get("subprotocols", ()))


def chosen(connection: HTTPConnection) -> str | None:
    """What a socket is accepted with: `await socket.accept(subprotocol=chosen(socket))`. Without an answer
    to what it asked for a browser hangs up."""
    return PROTOCOL if PROTOCOL in connection.scope.get("subprotocols", ()) else None


def _in_protocols(names: Iterable[str]) -> str | None:
    keys = [name.removeprefix(_KEY_PROTOCOL) for name in names if name.startswith(_KEY_PROTOCOL)]
    return keys[0] if keys else None
