"""Discord's refusals: an HTTP status, a code, a sentence, and a tree of what is wrong where."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

KNOWN = {
    0: (401, "401: Unauthorized"),
    10001: (404, "Unknown Account"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10029: (404, "Unknown Entitlement"),
    10057: (404, "Unknown SKU"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    20012: (403, "You are not authorized to perform this action on this application"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later."),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "This interaction has reached the maximum number of follow up messages"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    200000: (403, "Message was blocked by automatic moderation"),
    240000: (403, "Message blocked by harmful links filter"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a body: where, Discord's code for it, and a sentence."""

    path: tuple[str | int, ...]
    code: str
    message: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path)) or 'body'}: {self.message} ({self.code})"


class ApiError(Exception):
    def __init__(
        self,
        code: int,
        *,
        errors: dict[str, Any] | None = None,
        retry_after: float | None = None,
        problems: Iterable[Problem] = (),
    ) -> None:
        self.code = code
        self.status, self.message = KNOWN[code]
        self.errors = errors
        self.retry_after = retry_after
        self.problems = list(problems)
        super().__init__(f"{self.status} {self.message}")

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors is not None:
            body["errors"] = self.errors
        if self.retry_after is not None:
            body |= {"retry_after": self.retry_after, "global": False}
        return body


def invalid_body(problems: Iterable[Problem]) -> ApiError:
    tree: dict[str, Any] = {}
    problems = list(problems)
    for problem in problems:
        node = tree
        for step in problem.path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": problem.code, "message": problem.message})
    return ApiError(50035, errors=tree, problems=problems)
