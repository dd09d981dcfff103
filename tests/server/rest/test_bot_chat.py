"""POST /api/coze/chat: the guide's chat API with the built-in echo bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatws.bots import BotRequest, EchoBot, HandOff
from tests.server.conftest import StartChat
from tests.server.rest.support import bearer, code_of, new_session
from tests.support.bots import install
from tests.support.chat import RunningChat, until


class WaitingBot(EchoBot):
    """Bot that replies once the test sets ``may_reply``."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.may_reply = asyncio.Event()

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        self.requests.append(request.message.content)
        await self.may_reply.wait()
        yield "answer to " + request.message.content


def install_waiting_bot(chat: RunningChat) -> WaitingBot:
    """Replace the server's bot by a `WaitingBot`."""
    bot = WaitingBot()
    install(chat, bot)
    return bot


async def post_question(chat: RunningChat, header: dict[str, str], message: str, **fields: Any) -> tuple[int, Any]:
    return await chat.post("/api/coze/chat", {"message": message, **fields}, headers=header)


async def test_question_and_reply_are_stored_and_broadcast_to_the_room(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    agent = await chat.agent()
    await agent.call("join_conversation", session["conversationId"])
    status, body = await post_question(chat, header, "hello")
    assert (status, body["answered"]) == (200, True)
    assert body["reply"]["content"] == "hello"
    assert body["reply"]["sender"]["role"] == "bot"
    question = await agent.expect("message_received", messageId=body["messageId"])
    reply = await agent.expect("message_received", messageId=body["reply"]["messageId"])
    assert (question["seq"], reply["seq"], reply["sender"]["role"]) == (1, 2, "bot")
    _, page = await chat.get("/api/messages", headers=header)
    assert [message["messageId"] for message in page["messages"]] == [body["messageId"], body["reply"]["messageId"]]


async def test_each_question_is_answered_exactly_once(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    customer = await chat.customer(session["sessionId"])
    await customer.call("join_conversation", session["conversationId"])
    for number in range(3):
        assert (await post_question(chat, header, f"q{number}"))[1]["answered"]
    _, page = await chat.get("/api/messages", headers=header)
    messages = [(message["sender"]["role"], message["content"]) for message in page["messages"]]
    assert messages == [(role, f"q{number}") for number in range(3) for role in ("customer", "bot")]


async def test_bot_is_typing_until_it_replies(chat: RunningChat) -> None:
    bot = install_waiting_bot(chat)
    session, header = await new_session(chat)
    agent = await chat.agent()
    await agent.call("join_conversation", session["conversationId"])
    posting = asyncio.create_task(post_question(chat, header, "hello"))
    await agent.expect("typing_indicator", userId="bot", isTyping=True)
    bot.may_reply.set()
    await agent.expect("typing_indicator", userId="bot", isTyping=False)
    assert (await posting)[1]["reply"]["content"] == "answer to hello"


async def test_repeated_client_message_id_returns_the_first_reply(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    _, first = await post_question(chat, header, "hello", clientMessageId="m1")
    status, again = await post_question(chat, header, "hello", clientMessageId="m1")
    assert status == 200
    assert again == first
    _, page = await chat.get("/api/messages", headers=header)
    assert page["headSeq"] == 2


async def test_repeat_before_the_reply_does_not_call_the_bot_again(chat: RunningChat) -> None:
    bot = install_waiting_bot(chat)
    _, header = await new_session(chat)
    first = asyncio.create_task(post_question(chat, header, "hello", clientMessageId="m1"))
    await until(lambda: bot.requests)
    _, again = await post_question(chat, header, "hello", clientMessageId="m1")
    assert again["answered"] is False
    bot.may_reply.set()
    assert (await first)[1]["messageId"] == again["messageId"]
    assert bot.requests == ["hello"]


async def test_message_in_a_conversation_of_a_human_is_stored_unanswered(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    agent = await chat.agent()
    await agent.call("claim_conversation", {"conversationId": session["conversationId"], "version": 1})
    status, body = await post_question(chat, header, "is an agent available?")
    assert (status, body["answered"], "reply" in body) == (200, False, False)
    _, page = await chat.get("/api/messages", headers=header)
    assert [message["messageId"] for message in page["messages"]] == [body["messageId"]]


async def test_reply_is_dropped_if_an_agent_claims_the_conversation_first(chat: RunningChat) -> None:
    bot = install_waiting_bot(chat)
    session, header = await new_session(chat)
    agent = await chat.agent()
    posting = asyncio.create_task(post_question(chat, header, "hello"))
    await until(lambda: bot.requests)
    _, now = await chat.get(f"/api/conversations/{session['conversationId']}", headers=bearer(chat.token()))
    claim = {"conversationId": session["conversationId"], "version": now["conversation"]["version"]}
    assert (await agent.call("claim_conversation", claim))["success"]
    bot.may_reply.set()
    status, body = await posting
    assert (status, body["answered"]) == (200, False)
    _, page = await chat.get("/api/messages", headers=header)
    assert page["headSeq"] == 1


async def test_queued_conversation_with_messages_stays_queued(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    path = f"/api/conversations/{session['conversationId']}"
    await chat.post(f"{path}/messages", {"content": "for a human"}, headers=header)
    _, body = await post_question(chat, header, "and now?")
    assert body["answered"] is False
    assert (await chat.get(path, headers=header))[1]["conversation"]["status"] == "queued"


async def test_crash_of_the_bot_is_answered_with_the_failure_text(
    chat: RunningChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(request: BotRequest) -> AsyncIterator[str | HandOff]:
        raise RuntimeError(request)

    monkeypatch.setattr(install_waiting_bot(chat), "answer", crash)
    _, header = await new_session(chat)
    status, body = await post_question(chat, header, "hello")
    assert (status, body["reply"]["content"]) == (200, chat.settings.bot_failure_text)
    assert (await chat.get("/api/messages", headers=header))[1]["headSeq"] == 2


async def test_first_question_creates_the_conversation_of_a_session(chat: RunningChat) -> None:
    header = {"X-Session-Id": "test-session"}
    _, first = await post_question(chat, header, "one")
    _, second = await post_question(chat, header, "two")
    assert first["reply"]["conversationId"] == second["reply"]["conversationId"]
    assert second["reply"]["seq"] == 4


async def test_chat_api_rejects_agents_and_other_customers(chat: RunningChat) -> None:
    session, _ = await new_session(chat)
    _, other_header = await new_session(chat)
    status, body = await post_question(chat, bearer(chat.token()), "hi")
    assert (status, code_of(body)) == (403, "forbidden")
    status, body = await post_question(chat, other_header, "hi", conversationId=session["conversationId"])
    assert (status, code_of(body)) == (403, "forbidden")


async def test_new_conversations_start_with_the_configured_bot(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo")
    session, header = await new_session(chat)
    status, _ = await chat.post(
        f"/api/conversations/{session['conversationId']}/messages", {"content": "hello"}, headers=header
    )
    assert status == 200
    customer = await chat.customer(session["sessionId"])
    ack = await customer.call("join_conversation", {"conversationId": session["conversationId"], "afterSeq": 0})
    if len(ack["messages"]) < 2:
        await customer.expect("message_received", seq=2)
    assert (await chat.get("/api/messages", headers=header))[1]["headSeq"] == 2
