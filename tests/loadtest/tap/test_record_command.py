"""The command ``chatws record``, its recording read by the reader and by ``chatws timeline``; 4 s."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from chatws_loadtest.chatlog.reader import read_chatlog
from chatws_loadtest.chatlog.records import AckRecord, IdentityRecord, InRecord, OutRecord
from tests.loadtest.tap.test_tap_command import TIMEOUT_S, talk
from tests.support.commands import run_chatws
from tests.support.output import OutputLines
from tests.support.ports import free_port
from tests.support.preloaded import PreloadedProcess
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import ServerProcess


async def test_recording_of_a_tap_explains_a_message(shared_server: ServerProcess, tmp_path: Path) -> None:
    file, port = tmp_path / "talk.chatlog", free_port()
    errors, errors_end = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    arguments = ("record", shared_server.url, "--listen", str(port), "-o", str(file))
    child = PreloadedProcess(arguments, [null, null, errors_end], environment_of_children())
    os.close(null)
    os.close(errors_end)
    stderr = OutputLines(os.fdopen(errors, encoding="utf-8"))
    await asyncio.to_thread(stderr.wait_for, "forwards to", TIMEOUT_S)
    room = await talk(f"http://127.0.0.1:{port}", shared_server)
    child.terminate()
    assert await asyncio.to_thread(child.wait, TIMEOUT_S) == 0
    stderr.join()
    assert "records in" in stderr.text
    recording = read_chatlog(file)
    assert recording.header.source == "tap"
    [sent] = [row for row in recording.records if isinstance(row, OutRecord) and row.event == "send_message"]
    [ack] = [row for row in recording.records if isinstance(row, AckRecord) and row.ack == sent.ack]
    [received] = [row for row in recording.records if isinstance(row, InRecord) and row.event == "message_received"]
    [identity] = [row for row in recording.records if isinstance(row, IdentityRecord)]
    assert (sent.room, sent.chars, ack.ok, ack.message, received.message) == ("r1", 5, True, "m1", "m1")
    assert received.user == identity.user == "u1"
    text = file.read_text()
    assert all(secret not in text for secret in (room, "hello"))
    done = await asyncio.to_thread(run_chatws, "timeline", str(file), "--explain", "m1")
    assert done.returncode == 0, done.stderr
    assert "u1" in done.stdout


def test_file_that_cannot_be_written_ends_the_command_with_one_line() -> None:
    done = run_chatws("record", "http://127.0.0.1:9", "-o", "/nowhere/talk.chatlog")
    assert (done.returncode, done.stderr) == (
        1,
        "chatws record: /nowhere/talk.chatlog cannot be written: No such file or directory\n",
    )
