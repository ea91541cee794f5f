"""Middleware: what browsers are told about every answer, unless the route said otherwise."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

USUAL = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
# The interactive docs start from a script in their page.
DOCS = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src blob:; frame-ancestors 'none'"
)
_DOC_PAGES = ("/docs", "/redoc")
YEAR_S = 31_536_000


class SafeHeaders:
    """`secure`: the API is reached over https, and by nothing else from then on."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        more = {"Strict-Transport-Security": f"max-age={YEAR_S}"} if secure else {}
        self._usual: Mapping[str, str] = USUAL | more

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"].endswith("http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._of(scope["path"]).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, tell)

    def _of(self, path: str) -> Mapping[str, str]:
        is_docs = path.startswith(_DOC_PAGES)
        return {**self._usual, "Content-Security-Policy": DOCS} if is_docs else self._usual
