"""Promises that the Node server shares with chatws, checked on chatws too: the comparison is of equal work."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from benchmarks.common.client import BenchmarkConnection, ConnectionFailed, connect
from benchmarks.engine.credentials import agent_tokens, start_sessions
from benchmarks.engine.implementations import ServerImplementation, prepare_node, start
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path

    from chatws_loadtest.credentials import CustomerCredentials

pytestmark = pytest.mark.usefixtures("fork_bundled_servers")

SERVERS = [
    ServerImplementation.CHATWS,
    pytest.param(ServerImplementation.NODE_TURN, marks=pytest.mark.extended),  # the other one, but for its commits
    ServerImplementation.NODE_MESSAGE,
]
HOST = "127.0.0.1"


@pytest.fixture(scope="module", autouse=True)
def _node_packages() -> None:
    require_tool("node", "apt install nodejs")
    require_tool("npm", "apt install npm")
    prepare_node()


class Member:
    """Connection with the events that it received."""

    def __init__(self) -> None:
        self.connection: BenchmarkConnection
        self.events: list[tuple[str, Any]] = []

    async def connect(self, port: int, credentials: dict[str, str]) -> Member:
        self.connection = await connect(
            HOST, port, credentials, lambda name, raw: self.events.append((name, msgspec.json.decode(raw)))
        )
        return self

    async def request(self, name: str, payload: object) -> dict[str, Any]:
        return dict(msgspec.json.decode(await self.connection.request(name, payload)))

    async def send(self, conversation_id: str, content: str, key: str) -> dict[str, Any]:
        payload = {"conversationId": conversation_id, "content": content, "clientMessageId": key}
        return await self.request("send_message", payload)

    def received(self) -> list[dict[str, Any]]:
        return [payload for name, payload in self.events if name == "message_received"]


async def join_as_customer(port: int, customer: CustomerCredentials) -> Member:
    member = await Member().connect(port, {"sessionId": customer.session_id})
    joined = await member.request("join_conversation", customer.conversation_id)
    assert joined["success"] is True
    assert joined["conversation"]["headSeq"] == 0
    return member


def read_rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    [path] = folder.glob("*.db")
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("implementation", SERVERS)
async def test_message_is_stored_once_before_its_broadcast_and_ack(
    implementation: ServerImplementation, tmp_path: Path
) -> None:
    server = await start(implementation, tmp_path, None)
    try:
        [customer] = await start_sessions(implementation, server, 1)
        conversation_id = customer.conversation_id
        sender = await join_as_customer(server.port, customer)
        agent = await Member().connect(server.port, {"token": agent_tokens(implementation, server)[0]})
        assert (await agent.request("join_conversation", {"conversationId": conversation_id}))["success"] is True

        first = await sender.send(conversation_id, "hello", "key-1")
        again = await sender.send(conversation_id, "hello", "key-1")
        assert first.keys() == {"success", "messageId", "seq", "timestamp"}
        assert again == {**first, "duplicate": True}
        conflict = await sender.send(conversation_id, "other", "key-1")
        assert conflict["error"]["code"] == "idempotency_conflict"
        assert (await agent.send(conversation_id, "answer", "key-1"))["seq"] == 2
        last = await sender.send(conversation_id, "last", "key-2")
        assert last["seq"] == 3
        os.kill(server.pid, signal.SIGKILL)
    finally:
        await server.stop()

    stored = read_rows(tmp_path, "SELECT seq, content, message_id FROM messages ORDER BY seq")
    heads = read_rows(tmp_path, "SELECT head_seq FROM conversations")
    assert [(seq, content) for seq, content, _ in stored] == [(1, "hello"), (2, "answer"), (3, "last")]
    assert [stored[0][2], stored[2][2]] == [first["messageId"], last["messageId"]]
    assert heads == [(3,)]
    assert [message["content"] for message in sender.received()] == ["hello", "answer", "last"]
    message = sender.received()[0]
    sender_fields = message.pop("sender")
    assert message == {
        "conversationId": conversation_id,
        "content": "hello",
        "timestamp": first["timestamp"],
        "messageId": first["messageId"],
        "seq": 1,
        "clientMessageId": "key-1",
    }
    assert sender_fields["role"] == "customer"


@pytest.mark.parametrize("implementation", SERVERS)
async def test_refusals_and_limits_are_the_same(implementation: ServerImplementation, tmp_path: Path) -> None:
    limits = {"send_per_s": 1, "send_burst": 2, "members_per_room": 2, "connections_per_session": 2}
    server = await start(implementation, tmp_path, None, limits=limits)
    try:
        own, foreign = await start_sessions(implementation, server, 2)
        member = await join_as_customer(server.port, own)
        other = await join_as_customer(server.port, foreign)
        refused = await other.request("join_conversation", own.conversation_id)
        assert refused["error"]["code"] == "forbidden"
        assert (await member.request("send_message", {"content": "hello"}))["error"]["code"] == "bad_request"
        assert (await member.send(own.conversation_id, " \x00 ", "key"))["error"]["code"] == "bad_request"

        agents = [
            await Member().connect(server.port, {"token": token}) for token in agent_tokens(implementation, server)[:2]
        ]
        assert (await agents[0].send(own.conversation_id, "hello", "key"))["error"]["code"] == "not_joined"
        joins = [await agent.request("join_conversation", own.conversation_id) for agent in agents]
        assert [reply["success"] for reply in joins] == [True, False]
        assert joins[1]["error"]["code"] == "connection_limit"

        replies = [await member.send(own.conversation_id, "hello", f"key-{number}") for number in range(3)]
        assert [reply["success"] for reply in replies] == [True, True, False]
        error = replies[2]["error"]
        assert (error["code"], error["retryable"]) == ("rate_limited", True)
        assert 0 < error["retryAfterMs"] <= 1_001

        await Member().connect(server.port, {"sessionId": own.session_id})
        with pytest.raises(ConnectionFailed, match="connection_limit"):
            await Member().connect(server.port, {"sessionId": own.session_id})
        with pytest.raises(ConnectionFailed, match="unauthorized"):
            await Member().connect(server.port, {"token": "not-a-token"})
    finally:
        await server.stop()
