"""Guide flows with the clients of python-socketio and the unchanged payloads of the guide."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio

from tests.support.chat import RunningChat

ReceivedEvent = tuple[str, Any]
TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]


@pytest.fixture(params=TRANSPORTS, ids="+".join)
def transports(request: pytest.FixtureRequest) -> list[str]:
    chosen: list[str] = request.param
    return chosen


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    """Run a server whose users go offline 50 ms after their last disconnect."""
    async with RunningChat(tmp_path / "data", presence_grace_ms=50) as running:
        yield running


class AsyncUser:
    """Asynchronous client that records every event."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self._events: asyncio.Queue[ReceivedEvent] = asyncio.Queue()
        self.client.on("*", self._record)
        for name in ("connect", "connect_error", "disconnect"):
            self.client.on(name, lambda *args, name=name: self._events.put_nowait((name, args[0] if args else None)))

    async def _record(self, name: str, *args: Any) -> None:
        self._events.put_nowait((name, args[0] if args else None))

    async def connect(self, chat: RunningChat, transports: list[str], auth: Any) -> None:
        await self.client.connect(chat.url, auth=auth, transports=transports, wait_timeout=30)

    async def expect(self, name: str, **fields: Any) -> Any:
        async with asyncio.timeout(30):
            while True:
                event, payload = await self._events.get()
                if event == name and all(payload[key] == value for key, value in fields.items()):
                    return payload

    async def call(self, name: str, payload: Any) -> Any:
        """Emit with a callback, as the guide does."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        await self.client.emit(name, payload, callback=answer.set_result)
        return await asyncio.wait_for(answer, 30)


@pytest.fixture
async def users() -> AsyncIterator[tuple[AsyncUser, AsyncUser]]:
    pair = AsyncUser(), AsyncUser()
    yield pair
    for user in pair:
        await user.client.disconnect()


async def join_both(chat: RunningChat, transports: list[str], customer: AsyncUser, agent: AsyncUser) -> None:
    """Connect both users and join them to one conversation."""
    await customer.connect(chat, transports, {"sessionId": "session-uuid"})
    assert (await customer.expect("authenticated"))["role"] == "customer"
    await customer.client.emit("join_conversation", "conv-123")
    assert await customer.expect("joined_conversation") == {"conversationId": "conv-123"}
    await agent.connect(chat, transports, {"token": chat.token()})
    assert (await agent.expect("authenticated"))["role"] == "admin"
    await agent.client.emit("join_conversation", "conv-123")
    await agent.expect("joined_conversation")
    await customer.expect("presence_update", userId="agent-1", status="online")


async def test_asynchronous_customer_types_and_sends(
    chat: RunningChat, users: tuple[AsyncUser, AsyncUser], transports: list[str]
) -> None:
    customer, agent = users
    await join_both(chat, transports, customer, agent)
    await customer.client.emit("typing_start", "conv-123")
    assert (await agent.expect("typing_indicator"))["isTyping"] is True
    ack = await customer.call("send_message", {"conversationId": "conv-123", "content": "Hello!"})
    assert ack["success"] is True
    received = await agent.expect("message_received")
    assert (received["content"], received["sender"]["role"]) == ("Hello!", "customer")
    assert (await agent.expect("typing_indicator"))["isTyping"] is False


async def test_asynchronous_agent_types_and_replies(
    chat: RunningChat, users: tuple[AsyncUser, AsyncUser], transports: list[str]
) -> None:
    customer, agent = users
    await join_both(chat, transports, customer, agent)
    await agent.client.emit("typing_start", "conv-123")
    await agent.client.emit("typing_stop", "conv-123")
    assert (await customer.expect("typing_indicator"))["isTyping"] is True
    assert (await customer.expect("typing_indicator"))["isTyping"] is False
    assert (await agent.call("send_message", {"conversationId": "conv-123", "content": "Hello customer!"}))["success"]
    assert (await customer.expect("message_received", content="Hello customer!"))["sender"]["userId"] == "agent-1"


async def test_asynchronous_client_leaves_and_gets_errors_as_events(
    chat: RunningChat, users: tuple[AsyncUser, AsyncUser], transports: list[str]
) -> None:
    customer, agent = users
    await join_both(chat, transports, customer, agent)
    await agent.client.emit("leave_conversation", "conv-123")
    assert await agent.expect("left_conversation") == {"conversationId": "conv-123"}
    await customer.client.emit("send_message", {"conversationId": "conv-123", "content": ""})
    assert (await customer.expect("error"))["message"]


async def test_asynchronous_client_reconnects_after_disconnect(
    chat: RunningChat, users: tuple[AsyncUser, AsyncUser], transports: list[str]
) -> None:
    """Guide, Troubleshooting: ``socket.disconnect(); socket.connect()``."""
    user, _ = users
    for _ in range(2):
        await user.connect(chat, transports, {"sessionId": "session-uuid"})
        assert (await user.call("join_conversation", "conv-123"))["success"]
        await user.client.disconnect()
        assert await user.expect("disconnect") == "client disconnect"


async def test_connect_error_carries_the_message(
    chat: RunningChat, users: tuple[AsyncUser, AsyncUser], transports: list[str]
) -> None:
    user, _ = users
    with pytest.raises(socketio.exceptions.ConnectionError):
        await user.connect(chat, transports, {"token": "not-a-token"})
    refusal = await user.expect("connect_error")
    assert refusal["message"]
    assert refusal["data"]["code"] == "unauthorized"


async def test_log_out_is_reported_as_server_disconnect(
    chat: RunningChat, users: tuple[AsyncUser, AsyncUser], transports: list[str]
) -> None:
    user, _ = users
    await user.connect(chat, transports, {"token": chat.token()})
    await user.expect("authenticated")
    await chat.parts.store.revoke_tokens("agent-1", chat.clock.now_ms() + 1000)
    assert (await user.expect("error"))["code"] == "unauthorized"
    assert await user.expect("disconnect") == "server disconnect"


async def test_drain_is_reported_as_transport_close(
    chat: RunningChat, users: tuple[AsyncUser, AsyncUser], transports: list[str]
) -> None:
    user, _ = users
    await user.connect(chat, transports, {"token": chat.token()})
    await user.expect("authenticated")
    drain = asyncio.create_task(chat.drain())
    await user.expect("server_draining")
    assert await user.expect("disconnect") in {"transport close", "transport error"}
    await drain


class SyncUser:
    """Threaded client with blocking methods, to be called outside the event loop."""

    def __init__(self) -> None:
        self._http = requests.Session()
        self.client = socketio.Client(reconnection=False, http_session=self._http)
        self._events: queue.SimpleQueue[ReceivedEvent] = queue.SimpleQueue()
        self.client.on("*", lambda name, *args: self._events.put((name, args[0] if args else None)))

    def expect(self, name: str) -> Any:
        while True:
            event, payload = self._events.get(timeout=30)
            if event == name:
                return payload

    def call(self, name: str, payload: Any) -> Any:
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.client.emit(name, payload, callback=answer.put)
        return answer.get(timeout=30)

    def close(self) -> None:
        """Disconnect and wait for the end of the client's threads."""
        self.client.disconnect()
        self.client.wait()
        self._http.close()


def run_flows(url: str, token: str, transports: list[str], customer: SyncUser, agent: SyncUser) -> None:
    """Run both guide flows with blocking calls."""
    customer.client.connect(url, auth={"sessionId": "session-uuid"}, transports=transports, wait_timeout=30)
    assert customer.expect("authenticated")["role"] == "customer"
    customer.client.emit("join_conversation", "conv-123")
    customer.expect("joined_conversation")
    agent.client.connect(url, auth={"token": token}, transports=transports, wait_timeout=30)
    agent.expect("authenticated")
    agent.client.emit("join_conversation", "conv-123")
    agent.expect("joined_conversation")
    assert customer.expect("presence_update")["status"] == "online"
    customer.client.emit("typing_start", "conv-123")
    assert agent.expect("typing_indicator")["isTyping"] is True
    assert customer.call("send_message", {"conversationId": "conv-123", "content": "Hello!"})["success"] is True
    assert agent.expect("message_received")["content"] == "Hello!"
    assert agent.expect("typing_indicator")["isTyping"] is False
    customer.expect("message_received")
    assert agent.call("send_message", {"conversationId": "conv-123", "content": "Hello customer!"})["success"] is True
    assert customer.expect("message_received")["sender"]["role"] == "admin"
    agent.client.emit("leave_conversation", "conv-123")
    agent.expect("left_conversation")


async def test_synchronous_clients_complete_both_flows(chat: RunningChat, transports: list[str]) -> None:
    def run() -> None:
        users = SyncUser(), SyncUser()
        try:
            run_flows(chat.url, chat.token(), transports, *users)
        finally:
            for user in users:
                user.close()

    await asyncio.to_thread(run)
