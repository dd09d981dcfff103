"""GET /api/admin/trace: events of a user or a conversation as JSON lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from chatws.engine import Socket
from chatws.protocol.commands import Trace
from chatws.server.tracing import trace_hub, tracer
from tests.server.rest.support import bearer, code_of, new_session
from tests.support.chat import RunningChat, until
from tests.support.peer import Peer

OPERATOR = {"is_operator": True}


class TraceReader:
    """Reader of the lines of an open trace."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read(self, **fields: Any) -> dict[str, Any]:
        """Skip records until one has these fields, and return it."""
        while True:
            record: dict[str, Any] = json.loads(await self._response.content.readline())
            if fields.items() <= record.items():
                return record


@asynccontextmanager
async def trace(chat: RunningChat, query: str) -> AsyncIterator[TraceReader]:
    headers = bearer(chat.token("ops", **OPERATOR))
    async with chat.http.get(f"{chat.url}/api/admin/trace?{query}", headers=headers) as response:
        assert response.status == 200
        assert json.loads(await response.content.readline()) == {"success": True}
        yield TraceReader(response)


async def joined_customer(chat: RunningChat) -> tuple[Peer, dict[str, Any]]:
    session, _ = await new_session(chat)
    customer = await chat.customer(session["sessionId"])
    await customer.call("join_conversation", session["conversationId"])
    return customer, session


async def test_trace_of_a_user_shows_both_directions_with_latency_and_without_content(chat: RunningChat) -> None:
    customer, session = await joined_customer(chat)
    async with trace(chat, f"userId={session['userId']}") as reader:
        message = {"conversationId": session["conversationId"], "content": "secret text"}
        await customer.call("send_message", message)
        incomplete = {"conversationId": session["conversationId"]}
        await customer.call("send_message", incomplete)
        received = await reader.read(event="message_received")
        sent = await reader.read(event="send_message")
        refused = await reader.read(event="send_message")
    assert (received["direction"], sent["direction"], sent["result"]) == ("out", "in", "ok")
    assert (sent["conversationId"], received["conversationId"]) == (session["conversationId"],) * 2
    assert sent["latencyMs"] >= 0
    assert refused["result"] == "bad_request"
    assert refused["size"] == len(json.dumps(["send_message", incomplete]))
    assert "secret text" not in str([sent, received])


async def test_trace_with_content_shows_payloads_but_no_credentials(chat: RunningChat) -> None:
    async with trace(chat, "userId=alice&withContent=true") as reader:
        agent = await chat.connect()
        token = chat.token("alice")
        await agent.call("authenticate", {"token": token})
        assert "payload" not in await reader.read(event="authenticate")
        await agent.call("refresh_token", {"token": token})
        assert "payload" not in await reader.read(event="refresh_token")
        await agent.call("join_conversation", {"conversationId": "unknown"})
        assert (await reader.read(event="join_conversation"))["payload"] == {"conversationId": "unknown"}


async def test_trace_of_a_conversation_shows_its_members_only(chat: RunningChat) -> None:
    customer, session = await joined_customer(chat)
    other, other_session = await joined_customer(chat)
    async with trace(chat, f"conversationId={session['conversationId']}") as reader:
        agent = await chat.agent("alice")  # joins during the trace
        await agent.call("join_conversation", session["conversationId"])
        assert (await reader.read(event="join_conversation"))["userId"] == "alice"
        await other.call("send_message", {"conversationId": other_session["conversationId"], "content": "x"})
        await customer.call("send_message", {"conversationId": session["conversationId"], "content": "y"})
        users = {(await reader.read(event="message_received"))["userId"] for _ in range(2)}
        assert users == {"alice", session["userId"]}
        assert (await reader.read(event="send_message"))["userId"] == session["userId"]


async def test_trace_opened_during_a_join_shows_what_the_member_is_sent(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    conversation_id = session["conversationId"]
    agent = await chat.agent("alice")
    read, waits, may_read = chat.parts.store.conversation, asyncio.Event(), asyncio.Event()

    async def slow(conversation_id: str) -> Any:
        waits.set()
        await may_read.wait()
        return await read(conversation_id)

    chat.parts.store.conversation = slow  # type: ignore[method-assign]  # so that the trace opens during the join
    joined = await agent.start("join_conversation", conversation_id)
    await waits.wait()
    async with trace(chat, f"conversationId={conversation_id}") as reader:
        may_read.set()
        assert (await joined)["success"]
        assert "latencyMs" not in await reader.read(event="join_conversation")
        path = f"/api/conversations/{conversation_id}/messages"
        assert (await chat.post(path, {"content": "y"}, headers=header))[0] == 200
        await reader.read(event="message_received", userId="alice")


async def test_closed_trace_leaves_no_cost_behind(chat: RunningChat) -> None:
    await chat.agent("alice")
    (connection,) = chat.parts.registry.all()
    async with trace(chat, "userId=alice"):
        assert type(connection.socket) is not Socket
    await until(lambda: not chat.parts.tracing.is_on)
    assert (type(connection.socket), connection.tracers) == (Socket, ())


async def test_records_beyond_the_queue_are_dropped_and_counted(
    chat: RunningChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracer, "MAX_RECORDS", 2)
    agent = await chat.agent("alice")
    async with trace(chat, "userId=alice") as reader:
        with chat.parts.tracing.open(Trace(user_id="alice")) as slow:
            for _ in range(5):
                await agent.call("join_conversation", "unknown")
            assert len(await slow.take(1)) == 2
            await agent.call("join_conversation", "unknown")
            (record,) = await slow.take(1)
            assert record.dropped == 3
        await reader.read(event="join_conversation")


async def test_agents_and_customers_and_malformed_targets_are_refused(chat: RunningChat) -> None:
    _, customer = await new_session(chat)
    for headers in (customer, bearer(chat.token("alice"))):
        status, body = await chat.get("/api/admin/trace?userId=alice", headers=headers)
        assert (status, code_of(body)) == (403, "forbidden")
    for query in ("", "?userId=a&conversationId=b", "?userId=a%20b"):
        status, body = await chat.get(f"/api/admin/trace{query}", headers=bearer(chat.token("ops", **OPERATOR)))
        assert (status, code_of(body)) == (400, "bad_request")
    assert not chat.parts.tracing.is_on


async def test_number_of_open_traces_is_limited(chat: RunningChat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_hub, "MAX_TRACES", 1)
    async with trace(chat, "userId=alice"):
        status, body = await chat.get("/api/admin/trace?userId=bob", headers=bearer(chat.token("ops", **OPERATOR)))
        assert (status, code_of(body)) == (503, "connection_limit")


async def test_trace_is_logged(chat: RunningChat, caplog: pytest.LogCaptureFixture) -> None:
    async with trace(chat, "userId=alice"):
        pass
    (record,) = [record for record in caplog.records if record.getMessage() == "operator_traces"]
    assert record.__dict__["keys"] == {
        "operator": "ops", "address": "127.0.0.1", "userId": "alice", "withContent": False,
    }  # fmt: skip
