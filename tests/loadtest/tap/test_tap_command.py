"""The command ``chatws tap``: output formats, filters, ends and errors; 5 s."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.support.commands import run_chatws
from tests.support.output import OutputLines
from tests.support.peer import Peer
from tests.support.ports import free_port
from tests.support.preloaded import PreloadedProcess
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

TIMEOUT_S = 60.0
USAGE, INTERRUPTED, TERMINATED, BROKEN_PIPE = 2, 130, 143, 141


class TapProcess:
    """Process of ``chatws tap`` with its output."""

    def __init__(self, url: str, *options: str) -> None:
        pipes = [os.pipe(), os.pipe()]
        self.port = free_port()
        arguments = ("tap", url, "--listen", str(self.port), *options)
        null = os.open(os.devnull, os.O_RDONLY)
        descriptors = [null, *(end for _, end in pipes)]
        self.child = PreloadedProcess(arguments, descriptors, environment_of_children())
        for descriptor in descriptors:
            os.close(descriptor)
        self.stdout, self.stderr = (OutputLines(os.fdopen(end, encoding="utf-8")) for end, _ in pipes)
        self.stderr.wait_for("forwards to", TIMEOUT_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.child.send_signal(number)
        code = self.child.wait(TIMEOUT_S)
        for stream in (self.stdout, self.stderr):
            stream.join()
        return code


@asynccontextmanager
async def tap_process(url: str, *options: str) -> AsyncIterator[TapProcess]:
    """Run the command, and end it."""
    running = await asyncio.to_thread(TapProcess, url, *options)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.end)


async def talk(url: str, server: ServerProcess) -> str:
    """Let a customer join and send a message; return the conversation's id."""
    session = await asyncio.to_thread(server.new_session)
    peer = await Peer.connect(url, {"sessionId": session["sessionId"]})
    await peer.call("join_conversation", session["conversationId"])
    await peer.call("send_message", {"conversationId": session["conversationId"], "content": "hello"})
    await peer.expect("message_received")
    await peer.close()
    return session["conversationId"]


async def test_json_has_one_object_per_line_and_ctrl_c_ends_it(shared_server: ServerProcess) -> None:
    async with tap_process(shared_server.url, "--json") as tap:
        room = await talk(tap.url, shared_server)
        await asyncio.to_thread(tap.stdout.wait_for, '"close"', TIMEOUT_S)
        assert await asyncio.to_thread(tap.end, signal.SIGINT) == INTERRUPTED
    records = [json.loads(line) for line in tap.stdout.lines]
    assert {"open", "out", "ack", "in", "close"} <= {row["type"] for row in records}
    assert room not in tap.stdout.text
    assert len(tap.stderr.lines) == 1


async def test_text_names_pairs_and_latencies(shared_server: ServerProcess) -> None:
    async with tap_process(shared_server.url) as tap:
        await talk(tap.url, shared_server)
        await asyncio.to_thread(tap.stdout.wait_for, r"#1 > u1 send_message r1 m1$", TIMEOUT_S)
        await asyncio.to_thread(
            tap.stdout.wait_for, r"#1 = u1 ack of send_message ok r1 m1 seq \d+ [\d.]+ ms$", TIMEOUT_S
        )
        await asyncio.to_thread(tap.stdout.wait_for, r"#1 < u1 message_received r1 m1 seq \d+ [\d.]+ ms$", TIMEOUT_S)


async def test_filters_select_the_records(shared_server: ServerProcess) -> None:
    options = ("--event", "send_message", "--room", "r1", "--user", "u1", "--json")
    async with tap_process(shared_server.url, *options) as tap:
        await talk(tap.url, shared_server)
        await asyncio.to_thread(tap.stdout.wait_for, '"ack"', TIMEOUT_S)
        await talk(tap.url, shared_server)  # another room and user
    records = [json.loads(line) for line in tap.stdout.lines]
    assert [(row["type"], row["event"]) for row in records] == [("out", "send_message"), ("ack", "send_message")]


async def test_reader_that_leaves_ends_the_command(shared_server: ServerProcess) -> None:
    reading, writing = os.pipe()
    errors, errors_end = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    arguments = ("tap", shared_server.url, "--listen", "0")
    child = PreloadedProcess(arguments, [null, writing, errors_end], environment_of_children())
    for descriptor in (null, writing, errors_end):
        os.close(descriptor)
    stderr = OutputLines(os.fdopen(errors, encoding="utf-8"))
    await asyncio.to_thread(stderr.wait_for, "forwards to", TIMEOUT_S)
    os.close(reading)
    assert await asyncio.to_thread(child.wait, TIMEOUT_S) == BROKEN_PIPE
    stderr.join()
    assert len(stderr.lines) == 1


async def test_killed_tap_ends_its_connections(shared_server: ServerProcess) -> None:
    async with tap_process(shared_server.url) as tap:
        peer = await Peer.connect(tap.url, {"token": shared_server.sign_token("agent-1")})
        await asyncio.to_thread(tap.end, signal.SIGKILL)
        await peer.wait_closed(TIMEOUT_S)
        await peer.close()


def test_port_in_use_ends_the_command_with_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_chatws("tap", "http://127.0.0.1:9", "--listen", port)
    assert done.returncode == USAGE
    assert done.stderr == f"chatws tap: port {port} of 127.0.0.1 cannot be used: Address already in use\n"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("localhost:3000",), "'localhost:3000' is not the URL of a server"),
        (("http://8.8.8.8",), "which is not private"),
        (("https://127.0.0.1:9", "--ca-file", "/nowhere"), "--ca-file /nowhere cannot be used"),
        (("http://127.0.0.1:9", "--mapping", "/nowhere"), "--mapping /nowhere"),
        (("http://a..b:9",), "'http://a..b:9' is not the URL of a server"),
        (("http://127.0.0.1:9", "--host", "a..b"), "--host 'a..b' is not the name or the address of a host"),
    ],
)
def test_wrong_options_end_the_command_with_one_line(options: tuple[str, ...], line: str) -> None:
    done = run_chatws("tap", *options)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


async def test_slow_reader_of_the_output_does_not_stop_the_traffic(shared_server: ServerProcess) -> None:
    reading, writing = os.pipe()
    errors, errors_end = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    port = free_port()
    arguments = ("tap", shared_server.url, "--listen", str(port), "--json")
    child = PreloadedProcess(arguments, [null, writing, errors_end], environment_of_children())
    for descriptor in (null, writing, errors_end):
        os.close(descriptor)
    stderr = OutputLines(os.fdopen(errors, encoding="utf-8"))
    await asyncio.to_thread(stderr.wait_for, "forwards to", TIMEOUT_S)
    async with aiohttp.ClientSession() as http:
        # More lines than a pipe holds, and no process reads them.
        for _ in range(1000):
            async with http.get(f"http://127.0.0.1:{port}/health") as response:
                assert response.status == 200
    child.terminate()
    assert await asyncio.to_thread(child.wait, TIMEOUT_S) == TERMINATED
    os.close(reading)
    stderr.join()
