from __future__ import annotations

import asyncio
import json
import signal
from itertools import count
from typing import TYPE_CHECKING

from tests.support.chat import RunningChat
from tests.support.commands import run_chatws
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import OpenTerminal
    from tests.support.peer import Peer
    from tests.support.server import ServerProcess


async def chatter(peer: Peer) -> None:
    for number in count():
        assert (await peer.call("send_message", {"conversationId": "conv-1", "content": f"{number}"}))["success"]
        await asyncio.sleep(0.05)


async def test_stats_cover_the_servers_that_respond(tmp_path: Path) -> None:
    silent = f"127.0.0.1:{free_port()}"
    async with RunningChat(tmp_path, limits="off") as chat:
        agent, _ = await chat.pair()
        talking = asyncio.create_task(chatter(agent))
        options = ["--interval", "1", "--count", "2", "--json"]
        done = await asyncio.to_thread(run_chatws, "top", chat.url, silent, *options)
        talking.cancel()
    assert done.returncode == 0, done.stderr
    first, last = map(json.loads, done.stdout.splitlines())
    row, away = last["servers"]
    assert (row["state"], row["connections"], row["rooms"]) == ("ok", 2, 1)
    assert row["messagesPerS"] > 0
    assert 0 < row["p50Ms"] <= row["p99Ms"]
    assert first["servers"][0]["messagesPerS"] is None
    assert (away["server"], away["state"], away["why"]) == (silent, "away", "Connection refused")
    assert last["total"]["messagesPerS"] == row["messagesPerS"]


async def test_hidden_metrics_are_explained(tmp_path: Path) -> None:
    async with RunningChat(tmp_path, metrics="off") as chat:
        done = await asyncio.to_thread(run_chatws, "top", chat.url, "--count", "1", "--json")
    assert json.loads(done.stdout)["servers"][0]["why"] == "/metrics answers 404; see the setting metrics"


def test_table_shows_a_server_stopping_and_starting(server: ServerProcess, open_terminal: OpenTerminal) -> None:
    terminal = open_terminal("top", server.url, "--interval", "0.2", COLUMNS="60", NO_COLOR="1")
    terminal.wait_for(r"server +state +conns +msg/s +p99 ms +cpu % +rooms")
    terminal.wait_for(rf"127.0.0.1:{server.port} ok +0 +0.0")
    assert "\x1b[31m" not in terminal.raw
    server.kill()
    terminal.wait_for(rf"127.0.0.1:{server.port}: Connection refused")
    before = terminal.text.count(f"127.0.0.1:{server.port} ok")
    server.start()
    terminal.wait_for(rf"(?s)(127.0.0.1:{server.port} ok.*){{{before + 1}}}")
    terminal.signal(signal.SIGINT)
    assert terminal.wait() == 130
    assert terminal.is_line_mode
