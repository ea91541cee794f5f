"""Web clients of the proxy's dialect, down to their requests: which headers, which fields, what they read.

`ChatWeb` is chatgpt-web-midjourney-proxy (src/api/mjapi.ts, src/views/mj/mjText.vue), `NextWeb` is
ChatGPT-Midjourney (app/store/mj.ts, app/components/mj/mj.tsx, app/api/mj/[...path]/route.ts).
"""

from dataclasses import dataclass, field
from typing import Any

import httpx

Json = dict[str, Any]
# The buttons that ChatWeb shows, by what it looks for in a customId.
KNOWN = (
    *(f":upsample::{n}" for n in range(1, 5)),
    *("high_variation", "low_variation", ":Inpaint::1", "Outpaint::50", "Outpaint::75"),
    *("CustomZoom::", "Outpaint::100"),
    *(f"Job::PicReader::{n}" for n in range(1, 5)),
    *(f"PromptAnalyzer::{n}" for n in range(1, 6)),
    *(f":variation::{n}" for n in range(1, 5)),
    *("pan_left", "pan_right", "pan_up", "pan_down", "reroll::0"),
    *("upsample_v6_2x_subtle", "upsample_v6_2x_creative"),
)


class Unanswered(Exception):
    """What a client shows as an error, with the answer as it came."""


@dataclass
class ChatWeb:
    http: httpx.AsyncClient
    secret: str
    id: str = ""
    opt: Json = field(default_factory=dict)

    async def fetch(self, url: str, data: Json | None = None) -> Any:
        """mjFetch: POST where there is a body, and every status but 2xx is an error."""
        headers = {"Content-Type": "application/json", "mj-api-secret": self.secret}
        if data is None:
            answer = await self.http.get(url, headers=headers)
        else:
            answer = await self.http.post(url, headers=headers, json=data)
        if not answer.is_success:
            raise Unanswered(answer.json())
        return answer.json()

    async def imagine(self, text: str, pictures: tuple[str, ...] = ()) -> None:
        body = {"base64Array": list(pictures), "notifyHook": "", "prompt": text, "state": ""}
        await self._submitted("/mj/submit/imagine", body | {"botType": "MID_JOURNEY"})

    async def change(self, action: str, index: int) -> None:
        body = {"action": action, "index": index, "taskId": self.id}
        await self._submitted("/mj/submit/change", body)

    async def blend(self, pictures: tuple[str, ...]) -> None:
        body = {"base64Array": list(pictures), "botType": "MID_JOURNEY", "dimensions": "SQUARE"}
        await self._submitted("/mj/submit/blend", body)

    async def describe(self, picture: str) -> None:
        await self._submitted("/mj/submit/describe", {"base64": picture})

    async def shorten(self, text: str) -> None:
        await self._submitted("/mj/submit/shorten", {"prompt": text, "botType": "MID_JOURNEY"})

    async def press(self, known: str) -> None:
        """changeV2: a form is answered with the words that came with it."""
        told = await self.fetch("/mj/submit/action", self._pressed(known))
        if "confirm" in (told.get("description") or ""):
            words = told["properties"].get("finalPrompt") or ""
            told = await self.fetch("/mj/submit/modal", {"taskId": told["result"], "prompt": words})
        await self._read(told)

    async def press_and_fill_in(self, known: str, **form: str) -> None:
        """CustomZoom and mask: the form's fields are sent after the button."""
        told = await self.fetch("/mj/submit/action", self._pressed(known))
        if told["result"]:
            told = await self.fetch("/mj/submit/modal", {**form, "taskId": told["result"]})
        await self._read(told)

    async def look(self) -> Json:
        """flechTask; `opt` is what its page is drawn from."""
        self.opt = await self.fetch(f"/mj/task/{self.id}/fetch")
        return self.opt

    async def seed(self) -> int:
        return int((await self.fetch(f"/mj/task/{self.id}/image-seed"))["result"])

    @property
    def waits(self) -> bool:
        """Whether it would look again, and show a bar meanwhile."""
        return self.opt["status"] not in ("FAILURE", "SUCCESS")

    @property
    def shown(self) -> list[str]:
        """Buttons as the page has them."""
        ids = [one["customId"] for one in self.opt["buttons"]]
        return [known for known in KNOWN if any(known in one for one in ids)]

    def _pressed(self, known: str) -> Json:
        ids = [one["customId"] for one in self.opt["buttons"]]
        return {"customId": next(one for one in ids if known in one), "taskId": self.id}

    async def _submitted(self, url: str, body: Json) -> None:
        await self._read(await self.fetch(url, body))

    async def _read(self, told: Json) -> None:
        if told["code"] == 21:
            told = await self.fetch("/mj/submit/modal", {"taskId": told["result"]})
        if told["code"] not in (1, 22):
            raise Unanswered(told)
        self.id = told["result"]


@dataclass
class NextWeb:
    """Its server sends the key bare, and reads no code: an answer has a result, or it is an error."""

    http: httpx.AsyncClient
    key: str
    id: str = ""
    draw: Json = field(default_factory=dict)

    async def imagine(self, prompt: str, pictures: tuple[str, ...] = ()) -> None:
        body: Json = {"prompt": prompt}
        await self._send(
            "submit/imagine", body | ({"base64Array": [*pictures]} if pictures else {})
        )

    async def press(self, button: Json, modal: Json | None = None) -> None:
        """A form is answered when a look says MODAL, and the same task is looked at on."""
        body = {"customId": button["customId"], "taskId": self.id}
        await self._send("submit/action", body)
        await self.look()
        if self.draw["status"] == "MODAL":
            await self._ask("POST", "submit/modal", {**(modal or {}), "taskId": self.id})

    async def look(self) -> None:
        self.draw = await self._ask("GET", f"task/{self.id}/fetch")

    async def _send(self, path: str, body: Json) -> None:
        told = await self._ask("POST", path, body)
        if not told["result"]:
            raise Unanswered("not task id")
        self.id = told["result"]

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers["Authorization"] = self.key
        answer = await self.http.request(method, f"/mj/{path}", headers=headers, json=body)
        told: Json = answer.json()
        if answer.status_code != 200:
            raise Unanswered(told.get("message") or told)
        return told
