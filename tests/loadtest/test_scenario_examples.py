"""Every example of docs/scenario-files.md, played against our server (about 10 s)."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.credentials import Credentials, read_key
from chatws_loadtest.scenario_file import PlayOptions, PlayReport, play
from chatws_loadtest.verdict import Outcome

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

PAGE = Path(__file__).parents[2] / "docs" / "scenario-files.md"
BLOCK = re.compile(r"```yaml\n(people:.*?)```", re.DOTALL)
WITHIN = re.compile(r"within: \S+?(?=\})")
LEAST = 10
LONG_S = 30
"""Time limit instead of those of the examples, which a busy machine may miss."""


@pytest.mark.usefixtures("fork_bundled_servers")
async def test_every_example_of_the_page_passes(tmp_path: Path, shared_server: ServerProcess) -> None:
    """All play at the same time; those that kill the server get a bundled one."""
    examples = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(examples) >= LEAST
    keys = read_key(shared_server.data_dir / "secret")
    runs: list[asyncio.Task[PlayReport]] = []
    async with asyncio.TaskGroup() as group:
        for number, text in enumerate(examples):
            path = tmp_path / f"example-{number}.yaml"
            path.write_text(WITHIN.sub(f"within: {LONG_S}s", text))
            url = None if "server:" in text else shared_server.url
            options = PlayOptions(
                url=url, credentials=Credentials(keys=keys, tag=f"example-{number}"), reply_timeout_s=LONG_S
            )
            runs.append(group.create_task(play(path, options)))
    for text, run in zip(examples, runs, strict=True):
        report = run.result()
        assert report.outcome is Outcome.PASS, f"{report.failed}\n{text}"
