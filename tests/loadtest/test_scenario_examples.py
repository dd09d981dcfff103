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
LEAST = 10


@pytest.mark.usefixtures("fork_bundled_servers")
async def test_every_example_of_the_page_passes(tmp_path: Path, shared_server: ServerProcess) -> None:
    """All play at the same time; those that kill the server get a bundled one."""
    examples = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(examples) >= LEAST
    keys = read_key(shared_server.data_dir / "secret")
    runs: list[tuple[Path, PlayOptions, asyncio.Task[PlayReport]]] = []
    async with asyncio.TaskGroup() as group:
        for number, text in enumerate(examples):
            path = tmp_path / f"example-{number}.yaml"
            path.write_text(text)
            url = None if "server:" in text else shared_server.url
            options = PlayOptions(url=url, credentials=Credentials(keys=keys, tag=f"example-{number}"))
            runs.append((path, options, group.create_task(play(path, options))))
    for text, (path, options, run) in zip(examples, runs, strict=True):
        report = run.result()
        if report.outcome is not Outcome.PASS:
            # Beside the others on a busy machine, a reply may take more than 3 s.
            report = await play(path, options)
        assert report.outcome is Outcome.PASS, f"{report.failed}\n{text}"
