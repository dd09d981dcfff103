"""Sentences of the guide's Monitoring sections, with the official client: reconnection rate and logging."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import aiohttp

from chatws.client import CustomerClient, faults
from tests.conftest import StartServer
from tests.support.chat import RunningChat, until
from tests.support.node import NodeRunner


async def reconnects(url: str) -> int:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
        found = re.search(r"^chatws_reconnects_total (\S+)$", await response.text(), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


async def test_log_key_metrics_reconnection_rate_and_server_logging(
    tmp_path: Path, node: NodeRunner, start_server: StartServer
) -> None:
    server = start_server("--set", "presence_grace_ms=50")
    async with RunningChat(tmp_path / "other") as other:
        client = asyncio.create_task(
            node.run("reconnects.mjs", server.url, other.url, "session-uuid", server.sign_token("agent-1"))
        )
        while await reconnects(other.url) < 1:
            assert not client.done(), await client
            await asyncio.sleep(0.1)
        assert await reconnects(server.url) == 2
        before = server.stderr
        await asyncio.to_thread(server.restart)
        log = before.text
        rows = await client
    assert [row["step"] for row in rows][1:] == [
        "one of two tabs",
        "after the grace",
        "another server",
        "after kill -9",
    ]
    assert await reconnects(server.url) == 2
    user_id, socket_id = rows[0]["userId"], rows[0]["socketId"]
    assert f"info client_connected socketId={socket_id} userId={user_id} role=customer\n" in log
    assert f"info message_sent conversationId=conv-1 senderId={user_id} contentLength=6 seq=1\n" in log


async def test_reconnection_rate_includes_the_python_client(tmp_path: Path) -> None:
    async with RunningChat(tmp_path / "data") as chat, CustomerClient(chat.url, "session-uuid") as client:
        await chat.customer("session-uuid")  # keeps the user online: there is no grace
        faults.cut_connection(client)
        await until(lambda: client.stats().reconnects)
        assert await reconnects(chat.url) == 1
