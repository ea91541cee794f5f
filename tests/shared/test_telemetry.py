"""A line of the log names its job, stays one line, and holds no secret."""

import io
import json
import logging
from collections.abc import Iterator
from uuid import UUID

import pytest

from shared.telemetry import QUIET, about_job, configure_logging, redact

JOB = UUID("00000000-0000-4000-8000-000000000001")
# Made up, in the shapes of the real ones; each with what must never be seen of it.
CANARIES = {
    "PATCH https://discord.com/api/v10/webhooks/123/aW50ZXJhY3Rpb246c2Vj/messages/@original": "aW50ZXJh",
    "POST /api/v10/interactions/987/bG9uZyB0b2tlbg.x-y_z/callback": "bG9uZyB0",
    "connecting to postgresql+asyncpg://pictor:canary-one@db:5432/pictor": "canary-one",
    "redis://:canary-two@cache:6379/0": "canary-two",
    "redis://user:p%40ss-canary@cache:6379/0": "p%40ss-canary",
    "Authorization: Bot AAAAAAAAAAAAAAAAAAAAAAAA.BBBBBB.canary3canary3canary3canary3": "canary3",
    "{'Authorization': 'Bearer canary-four-canary'}": "canary-four",
    "GET https://s3/x?X-Amz-Signature=canary5canary5&X-Amz-Credential=canary6%2F1": "canary5",
    "url with X-Amz-Credential=canary6%2F2026": "canary6",
    "token=canary7 next": "canary7",
    "password: 'canary8'": "canary8",
    '{"api_key": "canary9"}': "canary9",
    "secret_key=canary10,": "canary10",
    "the token AAAAAAAAAAAAAAAAAAAAAAAAAA.BBBBBB.canary-11-canary-11-canary-11 itself": "canary-11",
}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def logged(text: str, *, as_json: bool = False, error: Exception | None = None) -> str:
    stream = io.StringIO()
    configure_logging("INFO", as_json=as_json, stream=stream)
    with about_job(JOB):
        logging.getLogger("farm.worker").warning("%s", text, exc_info=error)
    return stream.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("text", CANARIES)
def test_no_secret_is_logged(text: str, as_json: bool) -> None:
    assert CANARIES[text] in text
    assert CANARIES[text] not in logged(text, as_json=as_json)
    assert CANARIES[text] not in logged("broken", as_json=as_json, error=ValueError(text))


def test_what_is_no_secret_stays() -> None:
    for text in (
        "Job 7 took 12 steps.",
        "the tokenizer: words",
        "https://cdn.example.org/a/b.webp?x=1",
    ):
        assert redact(text) == text


def test_a_line_names_its_job_and_stays_one_line() -> None:
    line = logged("a prompt\n2026-01-01 ERROR forged [x] line\r\nmore")
    assert line.count("\n") == 1
    assert f"WARNING farm.worker [{JOB}] a prompt\\n2026" in line


def test_json_is_one_object_a_line_with_its_traceback() -> None:
    line = logged("words\nmore", as_json=True, error=ValueError("why"))
    assert line.count("\n") == 1
    told = json.loads(line)
    assert (told["level"], told["logger"], told["job"]) == ("WARNING", "farm.worker", str(JOB))
    assert told["message"] == "words\nmore"
    assert "ValueError: why" in told["error"]


def test_a_traceback_is_indented_so_that_it_forges_nothing() -> None:
    lines = logged("broken", error=ValueError("why\n2026-01-01 ERROR forged")).splitlines()
    assert len(lines) > 1
    assert all(line.startswith("    ") for line in lines[1:])


def test_outside_of_a_job_there_is_none() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream=stream)
    logging.getLogger("x").info("hello")
    assert "[-] hello" in stream.getvalue()


def test_chatty_libraries_are_quiet() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream=stream)
    for name in QUIET:
        logging.getLogger(name).info("a whole URL")
        logging.getLogger(f"{name}.child").info("a whole URL")
    assert stream.getvalue() == ""
