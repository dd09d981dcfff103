"""Recordings that the load test, ``chatws run`` and ``chatws check`` make of their own traffic (about 20 s)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.chatlog.reader import Chatlog, read_chatlog
from chatws_loadtest.chatlog.records import (
    AckRecord,
    CloseRecord,
    IdentityRecord,
    InRecord,
    MarkRecord,
    OpenRecord,
    OutRecord,
)
from tests.loadtest.command import TIMELESS_TARGETS, LoadtestCommand, run_command

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

TALK = """
people: {anna: agent, ben: customer}
steps:
  - ben: {send: Hello from Ben}
  - anna: {expect: {message_received: {content: Hello from Ben}}}
  - ben: {drop: 200ms}
  - anna: {send: while you were away}
  - ben: {expect: {message_received: {content: while you were away}}}
"""


def recordings_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if "chatlog" in path.name]


def messages_out(log: Chatlog) -> list[OutRecord]:
    return [record for record in log.records if isinstance(record, OutRecord) and record.event == "send_message"]


async def test_load_of_two_processes_is_in_one_file_in_the_order_of_time(
    loadtest: LoadtestCommand, tmp_path: Path
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    file = tmp_path / "load.chatlog"
    options = ("--users=8", "--rate=4", "--duration=2", "--warmup=0", "--connects=500", "--processes=2", "--quiet")
    result = await loadtest.run("--scenario=steady", *options, "--chatlog", str(file))
    log = read_chatlog(file)
    assert not log.is_cut
    assert [record.t for record in log.records] == sorted(record.t for record in log.records)
    opened = [record.c for record in log.records if isinstance(record, OpenRecord)]
    assert sorted(opened) == list(range(1, 9))
    assert sum(isinstance(record, CloseRecord) for record in log.records) == 8
    sent = messages_out(log)
    assert len(sent) == result.scenario.balance.sent
    assert {record.room for record in sent} == {"r1", "r2", "r3", "r4"}
    received = Counter(record.key for record in log.records if isinstance(record, InRecord) and record.key)
    assert received == dict.fromkeys((record.key for record in sent), 2)
    acked = {(record.c, record.ack) for record in log.records if isinstance(record, AckRecord) and record.ok}
    assert {(record.c, record.ack) for record in sent} <= acked
    assert recordings_in(tmp_path) == ["load.chatlog"]


async def test_recording_of_a_scenario_file_shows_the_cut_and_the_catch_up(tmp_path: Path) -> None:
    script, file = tmp_path / "talk.yaml", tmp_path / "talk.chatlog"
    script.write_text(TALK)
    done = await run_command("run", str(script), "--chatlog", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    log = read_chatlog(file)
    assert (log.header.source, log.header.with_content) == ("run", False)
    users = {record.c: (record.user, record.role) for record in log.records if isinstance(record, IdentityRecord)}
    ben = [number for number, (_, role) in users.items() if role == "customer"]
    assert len(ben) == 2
    assert users[ben[0]] == users[ben[1]]
    cut = next(record for record in log.records if isinstance(record, CloseRecord) and record.c == ben[0])
    assert (cut.by, cut.reason) == ("client", "cut")
    caught_up = [
        message
        for record in log.records
        if isinstance(record, AckRecord) and record.c == ben[1]
        for message in record.messages
    ]
    stored = [record.message for record in log.records if isinstance(record, AckRecord) and record.message]
    assert caught_up == stored[1:]
    assert b"Hello" not in file.read_bytes()
    assert b"anna" not in file.read_bytes()


async def test_recording_with_content_has_the_texts_but_no_credentials(tmp_path: Path) -> None:
    script, file = tmp_path / "talk.yaml", tmp_path / "talk.chatlog"
    script.write_text("people: {ben: customer}\nsteps:\n  - ben: {send: Hello from Ben}\n")
    done = await run_command("run", str(script), "--chatlog", str(file), "--with-content")
    assert done.returncode == 0, done.stdout + done.stderr
    [sent] = messages_out(read_chatlog(file))
    assert sent.content == "Hello from Ben"
    assert b"sessionId" not in file.read_bytes()


async def test_contents_need_a_recording(tmp_path: Path) -> None:
    script = tmp_path / "talk.yaml"
    script.write_text(TALK)
    done = await run_command("run", str(script), "--with-content")
    assert done.returncode == 2
    assert "--with-content has no effect without --chatlog" in done.stderr


@pytest.mark.parametrize("command", [["run", "talk.yaml"], ["loadtest", "--users=2"]])
async def test_file_that_cannot_be_written_ends_the_command(tmp_path: Path, command: list[str]) -> None:
    script = tmp_path / "talk.yaml"
    script.write_text(TALK)
    command = [str(script) if word == "talk.yaml" else word for word in command]
    done = await run_command(*command, "--chatlog", str(tmp_path / "missing" / "x.chatlog"))
    assert done.returncode in {1, 2}
    assert "x.chatlog" in done.stderr
    assert "Traceback" not in done.stderr


async def test_checks_are_marked_in_their_recording(shared_server: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "check.chatlog"
    options = ("--jwt-secret-file", str(shared_server.data_dir / "secret"), "--only=room", "--chatlog", str(file))
    done = await run_command("check", shared_server.url, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    log = read_chatlog(file)
    marks = [record.text for record in log.records if isinstance(record, MarkRecord)]
    assert marks
    assert all(mark.startswith("room") for mark in marks)
    assert messages_out(log)
