"""Hand-off from the bot to an agent and back, by keyword, by the bot and by an agent, without overlapping replies."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatws.bots import BotRequest, EchoBot, HandOff
from tests.server.conftest import StartChat
from tests.support.bots import ScriptedBot, install
from tests.support.chat import RunningChat, until
from tests.support.peer import Peer

INTERLEAVINGS = 40


@pytest.fixture
async def chat(start_chat: StartChat) -> RunningChat:
    """Server that assigns new conversations to the bot."""
    return await start_chat(bot="echo", limits="off")


async def joined(chat: RunningChat, conversation_id: str = "conv-1") -> Peer:
    customer = await chat.customer()
    assert (await customer.call("join_conversation", conversation_id))["success"]
    return customer


async def send(peer: Peer, content: str, conversation_id: str = "conv-1") -> Any:
    ack = await peer.call("send_message", {"conversationId": conversation_id, "content": content})
    assert ack["success"], ack
    return ack


async def change(agent: Peer, event: str, version: int, conversation_id: str = "conv-1") -> Any:
    return await agent.call(event, {"conversationId": conversation_id, "version": version})


async def history_of(peer: Peer, conversation_id: str = "conv-1") -> list[tuple[str, str]]:
    page = await peer.call("history", {"conversationId": conversation_id, "limit": 100})
    return [(message["sender"]["role"], message["content"]) for message in page["messages"]]


class RandomPaceBot(EchoBot):
    """Bot that takes a random number of event loop iterations for each piece."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        del request
        for word in ("one", "two", "three"):
            for _ in range(self._rng.randrange(40)):
                await asyncio.sleep(0)
            yield f"{word} "


async def race(chat: RunningChat, customer: Peer, agent: Peer, name: str, rng: random.Random) -> int:
    """Send a question to the bot and claim the conversation at a random moment; return the number of stored replies."""
    await customer.call("join_conversation", name)
    await agent.call("join_conversation", name)
    await send(customer, "hello?", name)
    for _ in range(rng.randrange(160)):
        await asyncio.sleep(0)
    match rng.choice(["claim", "handoff", "message", "other process"]):
        case "claim":
            taken = (await change(agent, "claim_conversation", 1, name))["conversation"]
        case "handoff":
            taken = (await customer.call("handoff", {"conversationId": name}))["conversation"]
        case "message":
            taken = {"headSeq": (await send(agent, "I take this", name))["seq"]}
        case _:
            async with chat.other_store() as store:
                await store.transition(name, version=1, status="queued", assignee_id=None)
                after = await store.conversation(name)
                assert after is not None
                taken = {"version": after.version, "headSeq": after.head_seq}
    await send(agent, "I am human", name)
    await until(lambda: not chat.parts.bot.pending)
    page = await customer.call("history", {"conversationId": name})
    bots = [message["seq"] for message in page["messages"] if message["sender"]["role"] == "bot"]
    assert all(seq <= taken["headSeq"] for seq in bots), (name, bots, taken)
    live = [message["sender"]["role"] for message in customer.seen("message_received")]
    assert "bot" not in live[live.index("admin") :], name
    customer.events.clear()
    return len(bots)


async def test_bot_never_replies_after_a_claim_in_random_interleavings(chat: RunningChat) -> None:
    rng = random.Random(20251028)
    install(chat, RandomPaceBot(rng))
    customer, agent = await joined(chat, "warm-up"), await chat.agent()
    stored = 0
    for number in range(INTERLEAVINGS):
        name = f"race-{number}"
        stored += await race(chat, customer, agent, name, rng)
        for peer in (customer, agent):
            await peer.call("leave_conversation", name)
    assert 0 < stored < INTERLEAVINGS, "the race was always won by the same side"


async def test_keyword_of_the_customer_hands_off(chat: RunningChat) -> None:
    bot = ScriptedBot("never called")
    install(chat, bot)
    agent = await chat.agent()
    await agent.call("subscribe_inbox")
    customer = await joined(chat)
    await send(customer, "Please let me talk to a HUMAN!")
    line = await customer.expect("message_received", seq=2)
    assert (line["content"], line["sender"]["role"]) == (chat.settings.bot_handoff_text, "bot")
    assert (await customer.expect("conversation_updated"))["conversation"]["status"] == "queued"
    notice = await agent.expect("bot_notice", kind="handed_off")
    assert (notice["conversationId"], notice["reason"]) == ("conv-1", "the customer asked for a human")
    assert not bot.called.is_set()
    await send(customer, "are you there?")
    await customer.settle()
    assert len(await history_of(customer)) == 3


async def test_handoff_keyword_cancels_the_reply_in_progress(chat: RunningChat) -> None:
    bot = ScriptedBot("never sent")
    install(chat, bot)
    customer = await joined(chat)
    await send(customer, "hello?")
    await bot.called.wait()
    await send(customer, "human")
    await customer.expect("conversation_updated")
    assert bot.has_ended
    assert [role for role, _ in await history_of(customer)] == ["customer", "customer", "bot"]


@pytest.mark.parametrize("pieces", [("Let me call an agent.",), ()], ids=["with text", "without text"])
async def test_bot_hands_off_after_its_final_text(chat: RunningChat, pieces: tuple[str, ...]) -> None:
    bot = ScriptedBot(*pieces, HandOff("too hard"), "never sent")
    bot.may_reply.set()
    install(chat, bot)
    agent = await chat.agent()
    await agent.call("subscribe_inbox")
    customer = await joined(chat)
    await send(customer, "a riddle")
    expected = "".join(pieces) or chat.settings.bot_handoff_text
    assert (await customer.expect("message_received", seq=2))["content"] == expected
    assert (await customer.expect("conversation_updated"))["conversation"]["status"] == "queued"
    assert (await agent.expect("bot_notice"))["reason"] == "too hard"


async def test_agents_receive_the_reason_of_a_customers_handoff(chat: RunningChat) -> None:
    agent = await chat.agent()
    await agent.call("subscribe_inbox")
    customer = await joined(chat)
    assert (await customer.call("handoff", {"conversationId": "conv-1", "reason": "a refund"}))["success"]
    notice = await agent.expect("bot_notice")
    assert (notice["kind"], notice["reason"]) == ("handed_off", "a refund")
    (note,) = (await agent.call("list_notes", {"conversationId": "conv-1"}))["notes"]
    assert (note["content"], note["author"]["role"]) == ("Handed off: a refund", "bot")


async def test_reason_of_the_bot_is_kept_as_a_note_and_without_a_reason_there_is_none(chat: RunningChat) -> None:
    agent = await chat.agent()
    customer, other = await joined(chat), await joined(chat, "conv-2")
    await agent.call("join_conversation", "conv-1")
    bot = ScriptedBot("wait", HandOff("too hard"))
    bot.may_reply.set()
    install(chat, bot)
    await send(customer, "help")
    note = await agent.expect("note_added")
    assert (note["content"], note["author"]["userId"]) == ("Handed off: too hard", "bot")
    assert (await other.call("handoff", {"conversationId": "conv-2"}))["success"]
    assert (await agent.call("list_notes", {"conversationId": "conv-2"}))["notes"] == []


async def test_bot_answers_the_last_question_of_a_conversation_assigned_to_it(chat: RunningChat) -> None:
    bot = ScriptedBot("welcome back")
    bot.may_reply.set()
    install(chat, bot)
    agent, customer = await chat.agent(), await joined(chat)
    claimed = (await change(agent, "claim_conversation", 1))["conversation"]
    await send(customer, "when do you open?")
    given = (await change(agent, "assign_bot", claimed["version"]))["conversation"]
    assert (given["status"], given["assignee"]) == ("bot", None)
    assert (await customer.expect("message_received", seq=2))["content"] == "welcome back"
    assert [request.message.content for request in bot.requests] == ["when do you open?"]
    await send(customer, "thanks")
    await customer.expect("message_received", seq=4)


async def test_question_during_assignment_to_the_bot_is_answered_once(chat: RunningChat) -> None:
    rng = random.Random(4)
    agent, customer = await chat.agent(), await joined(chat, "warm-up")
    for number in range(20):
        name = f"back-{number}"
        await customer.call("join_conversation", name)
        version = (await change(agent, "claim_conversation", 1, name))["conversation"]["version"]
        requests = [
            (customer, "send_message", {"conversationId": name, "content": "q"}),
            (agent, "assign_bot", {"conversationId": name, "version": version}),
        ]
        rng.shuffle(requests)
        acks = []
        for peer, event, payload in requests:
            acks.append(await peer.start(event, payload))
            for _ in range(rng.randrange(8)):
                await asyncio.sleep(0)
        assert all(ack["success"] for ack in await asyncio.gather(*acks))
        await until(lambda: not chat.parts.bot.pending)
        assert await history_of(customer, name) == [("customer", "q"), ("bot", "q")], number
        await customer.call("leave_conversation", name)


async def test_bot_does_not_reply_in_an_answered_conversation_assigned_to_it(chat: RunningChat) -> None:
    agent, customer = await chat.agent(), await joined(chat)
    await agent.call("join_conversation", "conv-1")
    await send(agent, "hello")
    assert (await change(agent, "assign_bot", 2))["success"]
    await send(customer, "bye")
    await customer.expect("message_received", seq=3)
    assert await history_of(customer) == [("admin", "hello"), ("customer", "bye"), ("bot", "bye")]


async def test_reply_started_before_a_handoff_and_back_is_stored_once(chat: RunningChat) -> None:
    bot = ScriptedBot("late")
    install(chat, bot)
    agent, customer = await chat.agent(), await joined(chat)
    await send(customer, "hello?")
    await bot.called.wait()
    queued = (await customer.call("handoff", {"conversationId": "conv-1"}))["conversation"]
    await change(agent, "assign_bot", queued["version"])
    bot.may_reply.set()
    await customer.expect("message_received", seq=2)
    await send(customer, "thanks")
    await customer.expect("message_received", seq=4)
    assert [role for role, _ in await history_of(customer)] == ["customer", "bot", "customer", "bot"]


async def test_assignment_to_the_bot_checks_version_status_and_role(chat: RunningChat) -> None:
    agent, customer = await chat.agent(), await joined(chat)
    already = await change(agent, "assign_bot", 1)
    assert already["error"]["code"] == "conflict"
    queued = (await customer.call("handoff", {"conversationId": "conv-1"}))["conversation"]
    assert (await change(agent, "assign_bot", queued["version"] - 1))["error"]["code"] == "conflict"
    assert (await change(customer, "assign_bot", queued["version"]))["error"]["code"] == "forbidden"
    resolved = (await change(agent, "resolve_conversation", queued["version"]))["conversation"]
    assert (await change(agent, "assign_bot", resolved["version"]))["error"]["code"] == "conflict"
