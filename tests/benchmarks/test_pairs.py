from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmarks.common.client import ConnectionFailed, connect
from tests.support.commands import run_module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import ServerProcess

CLEAN, INVALID = 0, 98


def ignore(_name: str, _raw: msgspec.Raw) -> None:
    """Discard an event."""


def test_benchmark_counts_every_message_and_writes_the_results(tmp_path: Path) -> None:
    options = ["--idle=3", "--conversations=2", "--rate=5", "--warmup=0.2", "--duration=1", "--repeats=1", "--agents=1"]
    done = run_module("benchmarks.pairs", *options, "--out", str(tmp_path))
    assert done.returncode in (CLEAN, INVALID), done.stderr
    [report] = tmp_path.glob("pairs-*.json")
    [run] = json.loads(report.read_text())["runs"]
    assert run["counts"] == {
        "sent": 12,
        "acked": 12,
        "delivered": 12,
        "refused": {},
        "unanswered": 0,
        "lost": 0,
        "gaps": 0,
        "duplicated": 0,
        "reordered": 0,
        "deaf": 0,
        "leaked": 0,
        "altered": 0,
        "misdated": 0,
        "malformed": 0,
        "excused": 0,
        "repeated": 0,
    }
    assert run["ack"]["count"] == run["peer"]["count"] == 10
    assert run["dropped_connections"] == 0


async def test_refused_credentials_fail_the_connection_with_the_reason(shared_server: ServerProcess) -> None:
    with pytest.raises(ConnectionFailed, match="unauthorized"):
        await connect("127.0.0.1", shared_server.port, {"token": "not-a-token"}, ignore)


async def test_connection_ends_when_the_server_is_killed(server: ServerProcess) -> None:
    credentials = {"sessionId": server.new_session()["sessionId"]}
    connection = await connect("127.0.0.1", server.port, credentials, ignore)
    assert connection.ended.done() is False
    server.kill()
    assert await asyncio.wait_for(connection.ended, timeout=30)
