"""Logs of one line with the job they are about, free of secrets, and a few Prometheus metrics."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from textwrap import indent
from typing import Any, TextIO
from uuid import UUID

from prometheus_client import Counter, Histogram

_job: ContextVar[str] = ContextVar("job", default="-")

# These tell whole URLs or arguments at INFO. Interaction tokens are parts of URLs.
QUIET = ("httpx", "httpcore", "arq", "boto3", "botocore", "urllib3", "s3transfer", "discord.http")

_SECRETS = (
    # Discord: /webhooks/<id>/<token>, /interactions/<id>/<token>/callback
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)[^/\s?\"']+"), r"\1***"),
    (re.compile(r"(\w+://[^/\s:@]*:)[^@\s/]+@"), r"\1***@"),
    (re.compile(r"\b(Bot|Bearer|Basic) [\w.~+/=-]{8,}"), r"\1 ***"),
    (re.compile(r"(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+"), r"\1***"),
    (
        re.compile(
            r"(?i)((?:token|secret|password|api_?key|access_?key|secret_?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',&)}]+"
        ),
        r"\1***",
    ),
    # A Discord bot token wherever it stands: id, moment and signature in base64.
    (re.compile(r"\b[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}"), "***"),
)

JOBS_SUBMITTED = Counter("pictor_jobs_submitted", "Jobs accepted", ["kind", "speed", "plan"])
JOBS_REFUSED = Counter("pictor_jobs_refused", "Submissions refused", ["code"])
JOBS_CANCELLED = Counter("pictor_jobs_cancelled", "Jobs cancelled by their owner")
CASES = Counter("pictor_cases", "What the filters stopped or people reported", ["kind", "category"])
APPEALS = Counter("pictor_appeals", "Appeals of blocked people")
STRIKES = Counter("pictor_strikes", "Strikes", ["category"])
BANS = Counter("pictor_bans", "Bans and suspensions", ["kind"])
DECISIONS = Counter("pictor_case_decisions", "Decisions of moderators", ["kind", "state"])
HOOKS_TOLD = Counter("pictor_webhook_tries", "Tries to tell a webhook", ["outcome"])
SUBMIT_SECONDS = Histogram(
    "pictor_submit_seconds",
    "From submission to commit",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)


def configure_logging(level: str, *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Once, in a `__main__`. Replaces whatever handlers the root logger has."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLine() if as_json else PlainLine())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def about_job(job_id: UUID | str) -> Iterator[None]:
    """Every line logged inside, by whatever library, carries this job's id."""
    token = _job.set(str(job_id))
    try:
        yield
    finally:
        _job.reset(token)


def redact(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class PlainLine(logging.Formatter):
    """`2026-05-04T12:00:00.123+00:00 INFO farm.worker [job] words`; only a traceback takes more lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s [%(job)s] %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        record.job = _job.get()
        return redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 logging's own name
        """A line break in what somebody typed must not begin a line that looks like ours."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return indent(super().formatException(ei), "    ")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return _moment(record)


class JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "job": _job.get(),
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
