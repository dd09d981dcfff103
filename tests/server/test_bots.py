"""Replies of the bot while a conversation is assigned to it, and none after an agent has taken over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chatws.bots import BotError, FailureReason
from tests.server.conftest import StartChat
from tests.support.bots import ScriptedBot, install
from tests.support.chat import RunningChat
from tests.support.peer import Peer


@pytest.fixture
async def chat(start_chat: StartChat) -> RunningChat:
    """Server that assigns new conversations to the bot."""
    return await start_chat(bot="echo")


async def bots_customer(chat: RunningChat) -> Peer:
    customer = await chat.customer()
    ack = await customer.call("join_conversation", "conv-1")
    assert ack["conversation"]["status"] == "bot"
    customer.events.clear()
    return customer


async def send(peer: Peer, content: str, **fields: str) -> Any:
    ack = await peer.call("send_message", {"conversationId": "conv-1", "content": content, **fields})
    assert ack["success"], ack
    return ack


async def requeue_during_reply(chat: RunningChat, bot: ScriptedBot) -> Peer:
    """Return a customer whose conversation another process requeued during the bot's call."""
    install(chat, bot)
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    await bot.called.wait()
    async with chat.other_store() as store:
        await store.transition("conv-1", version=1, status="queued", assignee_id=None)
    bot.may_reply.set()
    await customer.expect("typing_indicator", isTyping=False)
    return customer


async def test_echo_bot_answers_in_the_room_with_its_own_role(chat: RunningChat) -> None:
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    await customer.expect("message_received", seq=1)
    answer = await customer.expect("message_received", seq=2)
    assert answer["content"] == "hello?"
    assert answer["sender"] == {"userId": "bot", "userName": "AI", "role": "bot"}
    await customer.settle()
    history = await customer.call("history", {"conversationId": "conv-1"})
    assert [message["sender"]["role"] for message in history["messages"]] == ["customer", "bot"]


async def test_bot_is_shown_typing_until_it_has_answered(chat: RunningChat) -> None:
    bot = ScriptedBot("well, ", "yes")
    install(chat, bot)
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    shown = await customer.expect("typing_indicator", isTyping=True)
    assert (shown["userId"], shown["userName"]) == ("bot", "AI")
    bot.may_reply.set()
    await customer.expect("message_received", content="well, yes")
    await customer.expect("typing_indicator", isTyping=False)


async def test_bot_is_shown_typing_during_a_long_reply(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo", typing_expire_ms=1_000, typing_resend_ms=50)
    bot = ScriptedBot("yes")
    install(chat, bot)
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    await asyncio.sleep(1.3)
    await customer.settle()
    assert [event["isTyping"] for event in customer.seen("typing_indicator")] == [True]
    bot.may_reply.set()
    await customer.expect("typing_indicator", isTyping=False)


@pytest.mark.parametrize("how", ["handoff", "claim", "agent writes"])
async def test_reply_in_progress_is_dropped_when_an_agent_takes_over(chat: RunningChat, how: str) -> None:
    bot = ScriptedBot("too late")
    install(chat, bot)
    customer = await bots_customer(chat)
    agent = await chat.agent()
    version = (await agent.call("join_conversation", "conv-1"))["conversation"]["version"]
    await send(customer, "hello?")
    await bot.called.wait()
    match how:
        case "handoff":
            assert (await customer.call("handoff", {"conversationId": "conv-1"}))["success"]
        case "claim":
            payload = {"conversationId": "conv-1", "version": version}
            assert (await agent.call("claim_conversation", payload))["success"]
        case _:
            await send(agent, "I take this")
    bot.may_reply.set()
    await customer.expect("typing_indicator", isTyping=False)
    await send(customer, "thank you")
    await customer.settle()
    assert bot.has_ended
    assert all(message["sender"]["role"] != "bot" for message in customer.seen("message_received"))


async def test_reply_is_dropped_after_another_process_changed_the_conversation(chat: RunningChat) -> None:
    customer = await requeue_during_reply(chat, ScriptedBot("too late"))
    history = await customer.call("history", {"conversationId": "conv-1"})
    assert [message["sender"]["role"] for message in history["messages"]] == ["customer"]


async def test_bot_answers_one_question_after_the_other(chat: RunningChat) -> None:
    customer = await bots_customer(chat)
    for number in range(5):
        await send(customer, str(number))
    answers: list[str] = []
    while len(answers) < 5:
        message = await customer.expect("message_received")
        if message["sender"]["role"] == "bot":
            answers.append(message["content"])
    assert answers == ["0", "1", "2", "3", "4"]


async def test_repeated_question_is_answered_once(chat: RunningChat) -> None:
    customer = await bots_customer(chat)
    for _ in range(3):
        await send(customer, "hello?", clientMessageId="m-1")
    await customer.expect("message_received", seq=2)
    await send(customer, "bye")
    await customer.expect("message_received", content="bye", sender={"userId": "bot", "userName": "AI", "role": "bot"})
    assert (await customer.call("history", {"conversationId": "conv-1"}))["headSeq"] == 4


async def test_bot_answers_neither_agents_nor_conversations_of_agents(chat: RunningChat) -> None:
    bot = ScriptedBot("never")
    install(chat, bot)
    customer = await bots_customer(chat)
    await customer.call("handoff", {"conversationId": "conv-1"})
    await send(customer, "a human, please")
    agent = await chat.agent()
    await agent.call("join_conversation", "conv-1")
    await send(agent, "here I am")
    assert not bot.called.is_set()


@pytest.mark.parametrize(
    ("pieces", "error", "reason"),
    [
        (("half an ans",), BotError("away", FailureReason.CUT), "cut"),
        ((), BotError("later", FailureReason.RATE_LIMITED), "rate_limited"),
        ((), KeyError("a bug"), "crashed"),
        ((), None, "empty"),
        ((" \n",), None, "empty"),
        (("\x00\x07",), None, "empty"),
    ],
    ids=["fails midway", "refuses", "crashes", "sends nothing", "sends white space", "sends control characters"],
)
async def test_failed_bot_sends_the_failure_text_and_a_notice_to_agents(
    chat: RunningChat, pieces: tuple[str, ...], error: Exception | None, reason: str
) -> None:
    bot = ScriptedBot(*pieces, error=error)
    install(chat, bot)
    agent = await chat.agent()
    await agent.call("subscribe_inbox")
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    bot.may_reply.set()
    line = await customer.expect("message_received", seq=2)
    assert (line["content"], line["sender"]["role"]) == (chat.settings.bot_failure_text, "bot")
    await customer.expect("typing_indicator", isTyping=False)
    notice = await agent.expect("bot_notice")
    assert (notice["conversationId"], notice["kind"], notice["reason"]) == ("conv-1", "failed", reason)
    assert not customer.seen("bot_notice")
    await send(customer, "still there")
    assert not customer.seen("error")


async def test_reply_of_a_slow_bot_times_out(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo", bot_timeout_ms=50)
    bot = ScriptedBot("never")
    install(chat, bot)
    agent = await chat.agent()
    await agent.call("subscribe_inbox")
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    await customer.expect("message_received", seq=2, content=chat.settings.bot_failure_text)
    assert (await agent.expect("bot_notice"))["reason"] == "timeout"
    assert bot.has_ended


async def test_failed_bot_hands_off_if_configured(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo", bot_on_failure="handoff", bot_failure_text="A colleague will look at this.")
    bot = ScriptedBot(error=BotError("away"))
    bot.may_reply.set()
    install(chat, bot)
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    await customer.expect("message_received", seq=2, content="A colleague will look at this.")
    updated = await customer.expect("conversation_updated")
    assert updated["conversation"]["status"] == "queued"


async def test_failure_text_is_not_stored_after_an_agent_has_taken_over(chat: RunningChat) -> None:
    customer = await requeue_during_reply(chat, ScriptedBot(error=BotError("away")))
    assert (await customer.call("history", {"conversationId": "conv-1"}))["headSeq"] == 1


async def test_control_characters_of_a_bot_are_removed(chat: RunningChat) -> None:
    bot = ScriptedBot("\x1b[31mred\r\nnext\x07 line ")
    bot.may_reply.set()
    install(chat, bot)
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    assert (await customer.expect("message_received", seq=2))["content"] == "[31mred\nnext line"


async def test_bot_receives_the_latest_history_within_its_bounds(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo", bot_history_messages=4, bot_history_chars=10)
    customer = await bots_customer(chat)
    for number in range(3):
        await send(customer, f"say {number}")
        await customer.expect("message_received", seq=2 * number + 2)
    bot = ScriptedBot("yes")
    bot.may_reply.set()
    install(chat, bot)
    await send(customer, "hello?")
    await customer.expect("message_received", seq=8)
    (request,) = bot.requests
    assert request.message.content == "hello?"
    assert [(message.seq, message.content) for message in request.history] == [(5, "say 2"), (6, "say 2")]


async def test_questions_beyond_the_queue_limit_are_left_to_the_agents(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo", limits="off")
    bot = ScriptedBot("yes")
    install(chat, bot)
    agent = await chat.agent()
    await agent.call("subscribe_inbox")
    customer = await bots_customer(chat)
    for number in range(12):
        await send(customer, f"q{number}")
    assert (await agent.expect("bot_notice"))["reason"] == "overrun"
    assert (await agent.expect("bot_notice"))["reason"] == "overrun"
    bot.may_reply.set()
    await customer.expect("message_received", seq=22)
    assert [request.message.content for request in bot.requests] == [f"q{number}" for number in range(10)]


async def test_endless_answer_is_cut_to_one_message(chat: RunningChat) -> None:
    bot = ScriptedBot(*["x" * 1000] * 10)
    install(chat, bot)
    bot.may_reply.set()
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    answer = await customer.expect("message_received", seq=2)
    assert answer["content"] == "x" * 4000
    assert bot.has_ended


async def test_question_that_a_restart_interrupted_is_answered_once(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo")
    bot = ScriptedBot("never")
    install(chat, bot)
    customer = await bots_customer(chat)
    await send(customer, "hello?")
    await bot.called.wait()
    await chat.stop()
    for _ in range(2):
        chat = await start_chat(bot="echo")
        agent = await chat.agent()
        ack = await agent.call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
        if len(ack["messages"]) == 1:
            await agent.expect("message_received", seq=2, content="hello?")
        await chat.stop()
    chat = await start_chat(bot="echo")
    agent = await chat.agent()
    history = await agent.call("history", {"conversationId": "conv-1"})
    assert [message["sender"]["role"] for message in history["messages"]] == ["customer", "bot"]


async def test_server_stops_during_a_reply_of_the_bot(chat: RunningChat) -> None:
    bot = ScriptedBot("never")
    install(chat, bot)
    await send(await bots_customer(chat), "hello?")
    await bot.called.wait()
    await chat.stop()
    assert bot.has_ended
