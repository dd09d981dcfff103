"""The worked example of ``docs/tap.md``, and its tables; 8 s."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chatws_loadtest.tap.fault_rules import ACTIONS
from chatws_loadtest.tap.record_text import SIGNS
from chatws_loadtest.tap.tap_records import FLAGS
from tests.loadtest.tap.test_tap_command import TIMEOUT_S, tap_process

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

PAGE = (Path(__file__).parent.parent.parent.parent / "docs" / "tap.md").read_text(encoding="utf-8")


def without_times(line: str) -> str:
    return re.sub(r"^ *[\d.]+ +", "", line)


async def test_example_of_the_page_shows_the_lines_of_the_page(shared_server: ServerProcess) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found = re.search(r"\$ chatws tap (\S+ --listen 3001 --lines [^\n]*)\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    options = shlex.split(found[1])[3:]
    expected = [without_times(line) for line in found[2].splitlines()]
    session = await asyncio.to_thread(shared_server.new_session)
    async with tap_process(shared_server.url, *options) as tap:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            env={
                **os.environ,
                "CHATWS_URL": tap.url,
                "SESSION": session["sessionId"],
                "CONVERSATION": session["conversationId"],
            },
            stdout=asyncio.subprocess.PIPE,
        )
        stdout, _ = await child.communicate()
        await asyncio.to_thread(tap.stdout.wait_for, "ACK NEVER send_message r1 m2", TIMEOUT_S)
    assert stdout == b"no ack\n" * 2
    assert [without_times(line) for line in tap.stdout.lines] == expected


def test_tables_of_the_page_are_complete() -> None:
    assert all(f"`{name}`" in PAGE for name in (*FLAGS, *SIGNS))
    assert all(re.search(rf"^\| `{action}[` ]", PAGE, re.MULTILINE) for action in ACTIONS)
    assert all(f"`{sign}`" in PAGE for name, sign in SIGNS.items() if name != "mark")
