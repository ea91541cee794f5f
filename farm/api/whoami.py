"""Asks Hugging Face whose a token is, by its own client, within limits of time."""

from typing import Any

from shared.errors import Fault, Refusal

CONNECT_S, READ_S = 2.0, 5.0
_REFUSED = (401, 403)


class Whoami:
    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._is_set_up = False

    def __call__(self, token: str) -> dict[str, Any]:
        """What `whoami-v2` says. Blocks. Refusal `bad_key`; Fault `signin_away`."""
        import httpx2
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        self._set_up()
        api = HfApi(endpoint=self._url, library_name="pictor")
        try:
            return dict(api.whoami(token))
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status in _REFUSED:
                sentence = "Hugging Face does not know this token, or no longer. Make another one."
                raise Refusal("bad_key", sentence) from None
            raise Fault("signin_away", f"it answers {status}", retryable=True) from None
        except (httpx2.HTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
            raise Fault("signin_away", type(error).__name__, retryable=True) from None

    def _set_up(self) -> None:
        """Its own client waits for ever, and follows wherever it is led."""
        if self._is_set_up:
            return
        import httpx2
        from huggingface_hub import set_client_factory

        limits = httpx2.Timeout(READ_S, connect=CONNECT_S)
        set_client_factory(lambda: httpx2.Client(timeout=limits, follow_redirects=False))
        self._is_set_up = True
