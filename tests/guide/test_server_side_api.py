"""Sentences of the guide's Server-side API: in Python as printed, and over REST with a service key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chatws.protocol.errors import ChatError
from chatws.server.auth import tokens
from chatws.server.auth.keys import load_keys
from tests.conftest import StartServer
from tests.support.chat import RunningChat
from tests.support.peer import Peer, PeerRefused

BOT = {"userId": "bot", "userName": "AI", "role": "bot"}
NOTIFICATION = {"title": "New message", "body": "You have a new message"}


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    async with RunningChat(tmp_path / "data") as running:
        yield running


def service_key(chat: RunningChat, user_id: str = "bot", **options: Any) -> dict[str, str]:
    """Return the header of a service."""
    options = {"ttl_s": 365 * 86_400, "role": "service", **options}
    token = tokens.mint(load_keys(chat.settings), chat.settings, subject=user_id, name=user_id, **options)
    return {"Authorization": f"Bearer {token}"}


async def test_send_message_to_conversation_send_to_specific_user_get_connection_count(
    start_server: StartServer,
) -> None:
    server = start_server()
    key = await asyncio.to_thread(
        server.run_command, "token", "create", "--role", "service", "--data-dir", str(server.data_dir)
    )
    session = server.new_session()
    customer = await Peer.connect(server.url, {"sessionId": session["sessionId"]})
    assert (await customer.call("join_conversation", session["conversationId"]))["success"]
    async with aiohttp.ClientSession() as http:
        header = {"Authorization": f"Bearer {key.strip()}"}
        path = f"{server.url}/api/conversations/{session['conversationId']}/messages"
        async with http.post(path, json={"content": "Bot response"}, headers=header) as response:
            assert response.status == 200
        received = await customer.expect("message_received")
        assert (received["content"], received["sender"]) == ("Bot response", BOT)
        path = f"{server.url}/api/users/{session['userId']}/notifications"
        body = {"event": "notification", "payload": NOTIFICATION}
        async with http.post(path, json=body, headers=header) as response:
            assert (await response.json())["connections"] == 1
        assert await customer.expect("notification") == NOTIFICATION
        async with http.get(f"{server.url}/api/connections", headers=header) as response:
            assert await response.json() == {"success": True, "connections": 1}
    await customer.close()


async def test_send_message_to_conversation_takes_message_data(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await chat.service.send_message(
        "conv-1",
        {
            "conversationId": "conv-1",
            "content": "Bot response",
            "sender": BOT,
            "timestamp": datetime.now(UTC).isoformat(),
        },
    )
    received = await customer.expect("message_received")
    assert (received["content"], received["sender"]) == ("Bot response", BOT)


@pytest.mark.parametrize(
    "fields",
    [
        {"conversationId": "conv-2", "content": "x", "sender": BOT},
        {"conversationId": "conv-1", "sender": BOT},
        {"conversationId": "conv-1", "content": "x", "sender": {"userId": "bot", "role": "owner"}},
    ],
)
async def test_message_data_must_be_complete_and_for_the_conversation(
    chat: RunningChat, fields: dict[str, Any]
) -> None:
    await chat.pair()
    with pytest.raises(ChatError):
        await chat.service.send_message("conv-1", fields)


async def test_service_key_has_no_other_rights(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    header = service_key(chat, "crm", is_operator=True)
    status, sent = await chat.post("/api/conversations/conv-1/messages", {"content": "ticket 7"}, headers=header)
    assert (status, sent["seq"]) == (200, 1)
    assert (await agent.expect("message_received"))["sender"] == {"userId": "crm", "userName": "crm", "role": "bot"}
    _, history = await chat.get("/api/conversations/conv-1/messages", headers=header)
    assert history["headSeq"] == 1
    _, found = await chat.get("/api/conversations/conv-1", headers=header)
    assert found["conversation"]["assignee"] is None
    for path in ("/api/conversations", "/api/auth/refresh"):
        assert (await chat.post(path, {"customerId": "x"}, headers=header))[0] == 403, path
    notes = "/api/conversations/conv-1/notes"
    assert (await chat.post(notes, {"content": "x"}, headers=header))[0] == 403
    assert (await chat.post("/api/admin/kick", {"userId": "agent-1"}, headers=header))[0] == 403
    for path in (notes, "/api/replies", "/api/admin/connections", "/api/admin/trace?userId=agent-1"):
        assert (await chat.get(path, headers=header))[0] == 403, path
    with pytest.raises(PeerRefused) as refused:
        await chat.connect({"token": header["Authorization"].removeprefix("Bearer ")})
    assert refused.value.code == "forbidden"


async def test_service_key_ends_by_expiry_and_when_its_user_is_disabled(chat: RunningChat) -> None:
    header = service_key(chat, "crm")
    assert (await chat.get("/api/connections", headers=header))[0] == 200
    for refused in (service_key(chat, ttl_s=367 * 86_400), service_key(chat, ttl_s=-1)):
        assert (await chat.get("/api/connections", headers=refused))[0] == 401
    taken = service_key(chat, "agent-1")
    await chat.agent("agent-1")
    assert (await chat.get("/api/connections", headers=taken))[0] == 401
    async with chat.other_store() as store:
        await store.revoke_tokens("crm", chat.clock.now_ms() + 1_000)
    assert (await chat.get("/api/connections", headers=header))[0] == 401


async def test_service_may_send_faster_than_a_user(chat: RunningChat) -> None:
    await chat.pair()
    header = service_key(chat)
    for number in range(25):
        status, _ = await chat.post("/api/conversations/conv-1/messages", {"content": str(number)}, headers=header)
        assert status == 200
