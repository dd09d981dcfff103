"""Remote bots: from the customer's message to the reply in the room, and all failures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chatws.bots import KEY_VARIABLE
from chatws.server.errors import StartError
from tests.bots.service import FakeBotService, Script, answer, event_bytes, hang, running_service, stream
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.peer import Peer


def delta(content: str, finish: str | None = None) -> bytes:
    return event_bytes({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]})


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBotService]:
    """Service of a language model; its key is in the environment."""
    monkeypatch.setenv(KEY_VARIABLE, "sk-secret")
    async with running_service() as service:
        service.script = stream(delta("Grüß "), delta("Gott", "stop"), b"data: [DONE]\n\n")
        yield service


async def start(start_chat: StartChat, service: FakeBotService, **settings: Any) -> tuple[RunningChat, Peer, Peer]:
    """Start a server with a customer and an agent in a conversation assigned to the bot."""
    chat = await start_chat(bot="openai", bot_model="small", bot_url=f"{service.url}/v1", **settings)
    customer, agent = await chat.customer(), await chat.agent()
    assert (await customer.call("join_conversation", "conv-1"))["conversation"]["status"] == "bot"
    await agent.call("join_conversation", "conv-1")
    await agent.call("subscribe_inbox")
    return chat, customer, agent


async def send(peer: Peer, content: str) -> None:
    assert (await peer.call("send_message", {"conversationId": "conv-1", "content": content}))["success"]


async def test_streamed_answer_reaches_the_room_as_typing_and_one_message(
    start_chat: StartChat, service: FakeBotService
) -> None:
    _, customer, agent = await start(start_chat, service)
    await send(customer, "hello?")
    for peer in (customer, agent):
        await peer.expect("typing_indicator", userId="bot", isTyping=True)
        message = await peer.expect("message_received", seq=2)
        assert (message["content"], message["sender"]["role"]) == ("Grüß Gott", "bot")
        await peer.expect("typing_indicator", userId="bot", isTyping=False)
    assert service.headers[0]["Authorization"] == "Bearer sk-secret"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (answer(429, {"error": {"message": "slow down"}}), "rate_limited"),
        (answer(500, "oops"), "failed"),
        (stream(delta("half"), end="cut"), "cut"),
        (stream(delta("", "stop")), "empty"),
        (stream(delta("half"), end="hang"), "timeout"),
        (hang, "timeout"),
    ],
    ids=["rate limit", "error", "cut", "empty", "hangs in the middle", "hangs"],
)
async def test_failing_remote_bot_sends_the_failure_text_and_a_notice(
    start_chat: StartChat, service: FakeBotService, script: Script, reason: str
) -> None:
    chat, customer, agent = await start(start_chat, service, bot_timeout_ms=600 if reason == "timeout" else 30_000)
    service.script = script
    await send(customer, "hello?")
    line = await customer.expect("message_received", seq=2)
    assert line["content"] == chat.settings.bot_failure_text
    assert (await agent.expect("bot_notice"))["reason"] == reason
    service.script = stream(delta("back", "stop"))
    await send(customer, "and now?")
    assert (await customer.expect("message_received", seq=4))["content"] == "back"


async def test_stalled_remote_bot_blocks_no_other_conversation(start_chat: StartChat, service: FakeBotService) -> None:
    _, customer, agent = await start(start_chat, service)
    service.script = hang
    await send(customer, "hello?")
    await customer.expect("typing_indicator", userId="bot", isTyping=True)
    await send(customer, "still there?")
    assert (await customer.call("history", {"conversationId": "conv-1"}))["headSeq"] == 2
    await send(agent, "I am")
    await service.client_disconnected.wait()
    await customer.expect("typing_indicator", userId="bot", isTyping=False)
    await customer.settle()
    assert [message["sender"]["role"] for message in customer.seen("message_received")] == [
        "customer",
        "customer",
        "admin",
    ]


async def test_model_hands_off_by_its_marker(start_chat: StartChat, service: FakeBotService) -> None:
    _, customer, agent = await start(start_chat, service)
    service.script = stream(delta("One moment. [[hand"), delta("off]]", "stop"))
    await send(customer, "a riddle")
    assert (await customer.expect("message_received", seq=2))["content"] == "One moment."
    assert (await agent.expect("bot_notice"))["kind"] == "handed_off"
    assert (await customer.expect("conversation_updated"))["conversation"]["status"] == "queued"


def test_server_does_not_start_with_an_incomplete_bot_configuration(tmp_path: Path) -> None:
    with pytest.raises(StartError) as caught:
        RunningChat(tmp_path, bot="webhook")
    assert (caught.value.what, caught.value.why) == ("the bot webhook", "bot_url is not set")
