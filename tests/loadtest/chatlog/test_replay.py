"""Command ``chatws replay`` against this server and broken ones (about 50 s)."""

from __future__ import annotations

import asyncio
import re
import signal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from chatws_loadtest.chatlog.analysis import ChatlogAnalysis, analyse
from chatws_loadtest.chatlog.reader import read_chatlog
from chatws_loadtest.chatlog.records import (
    AckRecord,
    CloseRecord,
    IdentityRecord,
    InRecord,
    OpenRecord,
    OutRecord,
)
from chatws_loadtest.chatlog.writer import ChatlogWriter
from chatws_loadtest.results import Report
from tests.loadtest.command import TIMEOUT_S, LoadtestCommand, read_until, run_command
from tests.loadtest.test_honesty import served
from tests.support.broken_server import DuplicatingServer, LosingServer
from tests.support.commands import PipedCommand
from tests.support.guide_server import GuideOnlyServer
from tests.support.ports import free_port

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

DONE, USAGE, TARGET_MISSED = 0, 2, 99
TALK = """
people: {anna: agent, ben: customer}
steps:
  - ben: {send: one}
  - anna: {expect: {message_received: {content: one}}}
  - ben: {drop: 200ms}
  - anna: {send: two}
  - ben: {expect: {message_received: {content: two}}}
"""
ROOMS = 6
TURNS = 6
LATE_AFTER = 4
"""Messages before the late join."""


def record_talks(file: Path) -> None:
    """Record pairs that answer each other at once, one of whom is cut off in the middle."""
    with ChatlogWriter(file, "tap", "http://chat.example") as writer:
        for room in range(ROOMS):
            for c, role in ((2 * room + 1, "customer"), (2 * room + 2, "admin")):
                writer.write(OpenRecord(t=0.0, c=c))
                writer.write(IdentityRecord(t=0.0, c=c, user=f"u{c}", role=role))
                writer.write(OutRecord(t=0.0, c=c, event="join_conversation", ack=0, room=f"r{room}"))
        for turn in range(TURNS):
            for room in range(ROOMS):
                pair = [2 * room + 1, 2 * room + 2]
                if turn >= TURNS / 2:
                    # The customer's second connection
                    pair[0] += 100
                sender, peer, t, name = pair[turn % 2], pair[1 - turn % 2], 0.2 * turn + 1, f"{room}-{turn}"
                if turn == TURNS / 2:
                    writer.write(CloseRecord(t=t - 0.15, c=pair[0] - 100, by="client", reason="cut"))
                    writer.write(OpenRecord(t=t - 0.1, c=pair[0]))
                    writer.write(IdentityRecord(t=t - 0.1, c=pair[0], user=f"u{pair[0] - 100}", role="customer"))
                    writer.write(OutRecord(t=t - 0.1, c=pair[0], event="join_conversation", ack=0, room=f"r{room}"))
                writer.write(
                    OutRecord(t=t, c=sender, event="send_message", ack=turn + 1, room=f"r{room}", key=name, chars=60)
                )
                writer.write(AckRecord(t=t + 0.001, c=sender, ack=turn + 1, ok=True, message=name))
                writer.write(InRecord(t=t + 0.002, c=peer, event="message_received", room=f"r{room}", message=name))


def record_late_join(file: Path) -> None:
    """Record a room that a second agent joins after four messages, which it reads in the history."""
    with ChatlogWriter(file, "tap", "http://chat.example") as writer:
        for c, role in ((1, "customer"), (2, "admin")):
            enter_room(writer, 0.0, c, role)
        for turn in range(8):
            if turn == LATE_AFTER:
                enter_room(writer, 0.95, 3, "admin")
                writer.write(OutRecord(t=0.96, c=3, event="history", ack=1, room="r1"))
            t, sender, name = 0.2 * turn + 0.2, 1 + turn % 2, f"m{turn}"
            writer.write(OutRecord(t=t, c=sender, event="send_message", ack=turn + 1, room="r1", key=name, chars=60))
            writer.write(AckRecord(t=t + 0.001, c=sender, ack=turn + 1, ok=True, message=name))
            for c in {1, 2, 3 if turn >= LATE_AFTER else 2} - {sender}:
                writer.write(InRecord(t=t + 0.002, c=c, event="message_received", room="r1", message=name))


def enter_room(writer: ChatlogWriter, t: float, c: int, role: str) -> None:
    writer.write(OpenRecord(t=t, c=c))
    writer.write(IdentityRecord(t=t, c=c, user=f"u{c}", role=role))
    writer.write(OutRecord(t=t, c=c, event="join_conversation", ack=0, room="r1"))


async def replay(*options: str | Path) -> tuple[int, Report]:
    done = await run_command("replay", *map(str, options), "--json")
    assert done.stdout, done.stderr
    return done.returncode, msgspec.json.decode(done.stdout, type=Report)


def write(file: Path, text: str) -> None:
    file.write_text(text)


def missed(report: Report) -> set[str]:
    return {row.metric for row in report.scenarios[0].verdict.missed}


def replies_in_time(found: ChatlogAnalysis) -> list[bool]:
    """Return for each message but the first of its room whether its sender had received the one before."""
    in_time = []
    for room in found.rooms:
        messages = sorted((row for row in found.messages if row.room == room), key=lambda row: row.sent_s[0])
        for before, reply in pairwise(messages):
            copies = [copy.at_s for copy in before.deliveries if copy.person == reply.sender]
            in_time.append(bool(copies) and min(copies) <= reply.sent_s[0])
    return in_time


async def test_replay_at_any_speed_keeps_causality_and_loses_nothing(
    shared_server: ServerProcess, tmp_path: Path
) -> None:
    file, replayed = tmp_path / "talks.chatlog", tmp_path / "replayed.chatlog"
    record_talks(file)
    key = ("--against", shared_server.url, "--jwt-secret-file", shared_server.data_dir / "secret")
    # At this speed, a reply is due before the message that it answers can have arrived.
    code, report = await replay(file, *key, "--times", "2", "--speed", "50", "--chatlog", replayed)
    [scenario] = report.scenarios
    assert (code, missed(report)) == (DONE, set()), scenario.findings
    assert scenario.balance.sent == scenario.balance.acked == 2 * ROOMS * TURNS
    assert scenario.users == 4 * ROOMS
    log = read_chatlog(replayed)
    found = analyse(log)
    assert len(found.rooms) == 2 * ROOMS
    in_time = replies_in_time(found)
    assert in_time == [True] * (2 * ROOMS * (TURNS - 1))
    cuts = [record for record in log.records if isinstance(record, CloseRecord) and record.reason == "cut"]
    assert len(cuts) == 2 * ROOMS
    assert {message.chars for message in found.messages} == {60}


@pytest.mark.parametrize(
    ("server", "metric"),
    [
        pytest.param(DuplicatingServer, "duplicated", marks=pytest.mark.extended),
        pytest.param(LosingServer, "lost"),
    ],
)
async def test_replay_names_exactly_the_fault_of_a_broken_server(
    loadtest: LoadtestCommand, tmp_path: Path, server: type[GuideOnlyServer], metric: str
) -> None:
    file = tmp_path / "talks.chatlog"
    record_talks(file)
    options = ("--times", "4", "--drain", "5", "--reply-timeout", "1")
    async with served(server()) as url:
        code, report = await replay(file, "--against", url, *loadtest.make_credentials(80), *options)
    assert (code, missed(report)) == (TARGET_MISSED, {metric}), report.scenarios[0].findings


async def test_recorded_load_replays_without_faults(loadtest: LoadtestCommand, tmp_path: Path) -> None:
    file = tmp_path / "load.chatlog"
    options = ("--users=12", "--rate=3", "--duration=2", "--warmup=0", "--connects=500", "--quiet")
    recorded = await loadtest.run("--scenario=steady", *options, "--chatlog", str(file))
    code, report = await replay(file, "--speed", "2")
    [scenario] = report.scenarios
    assert (code, missed(report)) == (DONE, set()), scenario.findings
    assert scenario.balance.sent == recorded.scenario.balance.sent
    assert scenario.indicators["typing"].sent > 0


async def test_recording_of_a_proxy_is_explained_and_replayed(shared_server: ServerProcess, tmp_path: Path) -> None:
    file, script, port = tmp_path / "live.chatlog", tmp_path / "talk.yaml", free_port()
    write(script, TALK)
    key = ("--jwt-secret-file", str(shared_server.data_dir / "secret"))
    words = ("record", shared_server.url, "--listen", str(port), "-o", str(file))
    recording = await asyncio.to_thread(PipedCommand, *words)
    try:
        await read_until(recording, "forwards to")
        talked = await run_command("run", str(script), "--url", f"http://127.0.0.1:{port}", *key)
        assert talked.returncode == DONE, talked.stdout + talked.stderr
    finally:
        recording.send_signal(signal.SIGINT)
        await asyncio.to_thread(recording.wait, TIMEOUT_S)
        await asyncio.to_thread(recording.close)
    explained = await run_command("timeline", str(file), "--explain", "m2")
    assert re.search(
        r"^u\d was disconnected from .* and received it with the catch-up at", explained.stdout, re.MULTILINE
    )
    code, report = await replay(file, "--against", shared_server.url, *key, "--times", "3")
    assert (code, missed(report)) == (DONE, set())
    assert report.scenarios[0].balance.sent == 2 * 3


@pytest.mark.parametrize("speed", ["1", "100"])
async def test_late_join_keeps_its_place_and_reads_earlier_messages_in_the_history(
    shared_server: ServerProcess, tmp_path: Path, speed: str
) -> None:
    file, replayed = tmp_path / "late.chatlog", tmp_path / "replayed.chatlog"
    record_late_join(file)
    key = ("--against", shared_server.url, "--jwt-secret-file", shared_server.data_dir / "secret")
    code, report = await replay(file, *key, "--times", "3", "--speed", speed, "--chatlog", replayed)
    [scenario] = report.scenarios
    assert (code, missed(report)) == (DONE, set()), scenario.findings
    assert scenario.balance.sent == 3 * 8
    log = read_chatlog(replayed)
    found = analyse(log)
    for room in found.rooms:
        messages = sorted((row for row in found.messages if row.room == room), key=lambda row: row.sent_s[0])
        [late] = {copy.person for copy in messages[0].deliveries if copy.kind == "catch-up"}
        [connection] = found.connections_to(late, room)
        kinds = [{copy.kind for copy in row.deliveries if copy.person == late} for row in messages]
        assert kinds == [{"catch-up"}] * LATE_AFTER + [{"live"}] * (8 - LATE_AFTER)
        assert all((row.acked_s or 0.0) < connection.opened_s for row in messages[:LATE_AFTER])
        assert all(row.sent_s[0] > connection.joined[room] for row in messages[LATE_AFTER:])


async def test_late_join_is_replayed_against_a_server_of_the_guide(loadtest: LoadtestCommand, tmp_path: Path) -> None:
    file = tmp_path / "late.chatlog"
    record_late_join(file)
    async with served(GuideOnlyServer()) as url:
        credentials = loadtest.make_credentials(40)
        code, report = await replay(file, "--against", url, *credentials, "--times", "4", "--speed", "100")
    assert (code, missed(report)) == (DONE, set()), report.scenarios[0].findings
    assert report.scenarios[0].balance.sent == 4 * 8


async def test_recording_is_not_replaced_by_that_of_its_replay(tmp_path: Path) -> None:
    file = tmp_path / "talks.chatlog"
    record_talks(file)
    before = file.read_bytes()
    done = await run_command("replay", str(file), "--chatlog", str(file))
    line = f"chatws replay: --chatlog {file} is the recording itself; choose another file\n"
    assert (done.returncode, done.stderr, file.read_bytes()) == (USAGE, line, before)


async def test_file_without_messages_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.chatlog"
    ChatlogWriter(file, "tap", "http://chat.example").close()
    done = await run_command("replay", str(file))
    assert done.returncode == USAGE
    assert "no message of a known sender is recorded" in done.stderr
    done = await run_command("replay", str(tmp_path / "none.chatlog"))
    assert done.returncode == USAGE
    assert "No such file" in done.stderr
    done = await run_command("replay", str(file), "--recorded-mapping", "/nowhere")
    assert done.returncode == USAGE
    assert done.stderr.startswith("chatws replay: --recorded-mapping /nowhere: ")
