"""Every `curl` of docs/api.md, run in order as a reader would, against the whole stack."""

import asyncio
import re
from pathlib import Path

from farm.demo import front_door
from tests.e2e.conftest import Town

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Says where it stopped: the number of the example, from 1, and its line.
HEAD = "set -euo pipefail\ntrap 'echo \"example $EXAMPLE, line $LINENO\" >&2' ERR\n"


def examples() -> list[str]:
    return _BLOCK.findall(PAGE.read_text())


def test_there_are_examples_of_every_kind() -> None:
    told = "\n".join(examples())
    assert told.count("curl ") >= 20
    for path in ("/v1/jobs", "/v1/models", "/v1/webhooks", "/v1/images/generations", "/mj/submit"):
        assert path in told


async def test_the_examples_of_the_page_run(town: Town, tmp_path: Path) -> None:
    url, key = (await front_door(town.stack, town.url)).split("/#key=")
    blocks = (f"EXAMPLE={number}\n{one}" for number, one in enumerate(examples(), 1))
    (tmp_path / "examples.sh").write_text(HEAD + "\n".join(blocks))
    process = await asyncio.create_subprocess_exec(
        *("bash", str(tmp_path / "examples.sh")),
        cwd=ROOT,
        env={"PICTOR_URL": url, "PICTOR_KEY": key, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-5_000:]
