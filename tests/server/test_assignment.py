"""Status and assignee: one winner of each race, notified members, requeue of absent agents' conversations."""

from __future__ import annotations

import asyncio
from typing import Any

from chatws.protocol.entities import ConversationStatus, User
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat, until
from tests.support.messages import fill
from tests.support.peer import Peer

STATUSES: tuple[ConversationStatus, ...] = ("bot", "queued", "assigned", "resolved")


async def change(peer: Peer, event: str, version: int, conversation_id: str = "conv-1") -> Any:
    return await peer.call(event, {"conversationId": conversation_id, "version": version})


async def conversation(chat: RunningChat, conversation_id: str = "conv-1") -> Any:
    found = await chat.parts.store.conversation(conversation_id)
    assert found is not None
    return found


async def set_status(chat: RunningChat, status: ConversationStatus, conversation_id: str) -> int:
    """Set the status of a new conversation directly in the store; return its version."""
    await fill(chat, 0, conversation_id=conversation_id)
    assignee = None
    if status == "assigned":
        assignee = "holder"
        await chat.parts.store.ensure_user(User(user_id="holder", user_name="Holder", role="admin"))
    version = (await conversation(chat, conversation_id)).version
    changed = await chat.parts.store.transition(conversation_id, version=version, status=status, assignee_id=assignee)
    return changed.version


async def test_claim_race_has_one_winner_and_nine_conflicts(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off")
    await fill(chat, 0)
    version = (await conversation(chat)).version
    agents = [await chat.agent(f"agent-{number}") for number in range(10)]
    answers = await asyncio.gather(*(change(agent, "claim_conversation", version) for agent in agents))
    winners = [answer["conversation"]["assignee"]["userId"] for answer in answers if answer["success"]]
    lost = [answer for answer in answers if not answer["success"]]
    assert len(winners) == 1
    assert {answer["error"]["code"] for answer in lost} == {"conflict"}
    for answer in lost:
        assert answer["conversation"]["assignee"]["userId"] == winners[0]
        assert answer["conversation"]["version"] == version + 1


async def test_claim_of_an_own_conversation_changes_nothing(chat: RunningChat) -> None:
    await fill(chat, 0)
    agent = await chat.agent()
    first = await change(agent, "claim_conversation", 1)
    again = await change(agent, "claim_conversation", 1)
    assert again == first


async def test_stale_version_is_a_conflict_with_the_current_conversation(chat: RunningChat) -> None:
    await fill(chat, 0)
    agent = await chat.agent()
    refusal = await change(agent, "claim_conversation", 99)
    assert refusal["error"]["code"] == "conflict"
    assert refusal["conversation"]["status"] == "queued"
    assert (await change(agent, "claim_conversation", refusal["conversation"]["version"]))["success"]


async def test_first_reply_claims_a_queued_conversation(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await customer.call("send_message", {"conversationId": "conv-1", "content": "is anybody there?"})
    reply = {"conversationId": "conv-1", "content": "yes", "clientMessageId": "reply-1"}
    assert (await agent.call("send_message", reply))["success"]
    await customer.settle()
    names = [name for name, _ in customer.events if name in {"conversation_updated", "message_received"}]
    assert names == ["message_received", "message_received", "conversation_updated"]
    assert customer.seen("conversation_updated")[0]["conversation"]["assignee"]["userId"] == "agent-1"
    assert (await agent.call("send_message", reply))["duplicate"]
    assert (await conversation(chat)).version == 2


async def test_first_replies_sent_at_once_keep_their_order(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    replies = [{"conversationId": "conv-1", "content": f"reply {number}"} for number in range(20)]
    acks = [await agent.start("send_message", reply) for reply in replies]
    assert all(ack["success"] for ack in await asyncio.gather(*acks))
    await customer.settle()
    assert [message["content"] for message in customer.seen("message_received")] == [
        reply["content"] for reply in replies
    ]


async def test_reply_to_a_claimed_conversation_does_not_change_the_assignee(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    assert (await change(agent, "claim_conversation", 1))["success"]
    other = await chat.agent("agent-2")
    await other.call("join_conversation", "conv-1")
    assert (await other.call("send_message", {"conversationId": "conv-1", "content": "me too"}))["success"]
    found = await conversation(chat)
    assert (found.assignee.user_id, found.version) == ("agent-1", 2)


async def test_race_of_first_replies_has_one_assignee_and_loses_no_message(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off")
    _, customer = await chat.pair()
    agents = [await chat.agent(f"agent-{number}") for number in range(10)]
    for agent in agents:
        await agent.call("join_conversation", "conv-1")
    await customer.settle()
    customer.events.clear()
    replies = [{"conversationId": "conv-1", "content": f"reply {number}"} for number in range(10)]
    sends = (agent.call("send_message", reply) for agent, reply in zip(agents, replies, strict=True))
    assert all(ack["success"] for ack in await asyncio.gather(*sends))
    await customer.settle()
    assert len(customer.seen("conversation_updated")) == 1
    assert {message["content"] for message in customer.seen("message_received")} == {
        f"reply {number}" for number in range(10)
    }
    assert ((await conversation(chat)).status, (await conversation(chat)).version) == ("assigned", 2)


ALLOWED = {
    "claim_conversation": ({"bot", "queued"}, "assigned"),
    "release_conversation": ({"assigned"}, "queued"),
    "resolve_conversation": ({"bot", "queued", "assigned"}, "resolved"),
    "reopen_conversation": ({"resolved"}, "queued"),
}


async def test_change_is_allowed_only_from_certain_statuses(chat: RunningChat) -> None:
    agent = await chat.agent()
    for event, (allowed, becomes) in ALLOWED.items():
        for status in STATUSES:
            name = f"{event}-{status}"
            version = await set_status(chat, status, name)
            answer = await change(agent, event, version, name)
            assert answer["success"] is (status in allowed), name
            assert answer["conversation"]["status"] == (becomes if answer["success"] else status), name
            if not answer["success"]:
                assert answer["error"]["code"] == "conflict", name
            elif becomes == "assigned":
                assert answer["conversation"]["assignee"]["userId"] == "agent-1", name
            else:
                assert answer["conversation"]["assignee"] is None, name


async def test_handoff_applies_to_conversations_of_the_bot_only(chat: RunningChat) -> None:
    agent = await chat.agent()
    for status in STATUSES:
        await set_status(chat, status, status)
        answer = await agent.call("handoff", {"conversationId": status, "reason": "needs a human"})
        assert answer["success"] is (status in {"bot", "queued"}), status
        assert answer["conversation"]["status"] == ("queued" if answer["success"] else status)


async def test_customer_may_request_a_handoff_but_no_other_change(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo")
    customer = await chat.customer()
    ack = await customer.call("join_conversation", "conv-1")
    assert ack["conversation"]["status"] == "bot"
    for event in ALLOWED:
        assert (await change(customer, event, ack["conversation"]["version"]))["error"]["code"] == "forbidden"
    assert (await customer.call("handoff", {"conversationId": "conv-1"}))["conversation"]["status"] == "queued"
    other_customer = await chat.customer()
    assert (await other_customer.call("handoff", {"conversationId": "conv-1"}))["error"]["code"] == "forbidden"


async def test_members_are_notified_of_status_and_assignee(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    outsider = await chat.agent("agent-2")
    claimed = await change(outsider, "claim_conversation", 1)
    for member in (agent, customer):
        update = await member.expect("conversation_updated")
        assert update["conversation"] == claimed["conversation"]
    await outsider.settle()
    assert not outsider.seen("conversation_updated")


async def test_unknown_conversation_is_not_found_to_agents(chat: RunningChat) -> None:
    agent = await chat.agent()
    for event in ALLOWED:
        assert (await change(agent, event, 1, "nothing-here"))["error"]["code"] == "not_found"


async def test_conversation_of_an_absent_agent_is_requeued(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1, assignee_offline_ms=50)
    agent, customer = await chat.pair()
    assert (await change(agent, "claim_conversation", 1))["success"]
    await customer.expect("conversation_updated")
    await agent.close()
    update = await customer.expect("conversation_updated")
    assert update["conversation"]["status"] == "queued"
    assert update["conversation"]["assignee"] is None


async def test_agent_who_reconnects_in_time_keeps_the_conversation(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1, assignee_offline_ms=60_000)
    agent, other = await chat.agent(), await chat.agent("agent-2")
    for name, claimer in (("conv-1", agent), ("conv-2", other)):
        customer = await chat.customer()
        await customer.call("join_conversation", name)
        assert (await change(claimer, "claim_conversation", 1, name))["success"]
    observer = await chat.agent("observer")
    await observer.call("join_conversation", "conv-2")
    await agent.close()
    await other.close()
    await until(lambda: chat.parts.absences._timers.keys() == {"agent-1", "agent-2"})
    await chat.agent()
    chat.clock.advance(61)
    await observer.expect("conversation_updated")
    assert (await conversation(chat)).status == "assigned"


async def test_each_absence_is_measured_from_its_own_start(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1, assignee_offline_ms=60_000)
    agent, customer = await chat.pair()
    assert (await change(agent, "claim_conversation", 1))["success"]
    follower = await chat.agent("follower")
    await follower.call("subscribe_inbox", {})
    await agent.close()
    await follower.expect("presence_update", userId="agent-1", status="offline")
    chat.clock.advance(40)
    await (await chat.agent()).close()
    await follower.expect("presence_update", userId="agent-1", status="online")
    await follower.expect("presence_update", userId="agent-1", status="offline")
    await customer.expect("conversation_updated")
    chat.clock.advance(40)
    await customer.settle()
    assert (await conversation(chat)).status == "assigned"
    chat.clock.advance(21)
    while (await conversation(chat)).status == "assigned":
        await customer.expect("conversation_updated")


async def test_agent_absent_after_a_restart_loses_the_conversation(start_chat: StartChat) -> None:
    first = await start_chat()
    agent, _ = await first.pair()
    assert (await change(agent, "claim_conversation", 1))["success"]
    await first.stop()
    second = await start_chat(assignee_offline_ms=50)
    watcher = await second.agent("watcher")
    ack = await watcher.call("join_conversation", "conv-1")
    if ack["conversation"]["status"] == "assigned":
        update = await watcher.expect("conversation_updated")
        assert update["conversation"]["status"] == "queued"
    assert (await conversation(second)).status == "queued"


async def test_agent_with_another_connection_keeps_the_conversation(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1, assignee_offline_ms=1)
    agent, customer = await chat.pair()
    await chat.agent()
    assert (await change(agent, "claim_conversation", 1))["success"]
    await agent.close()
    await (await chat.agent("agent-2")).call("join_conversation", "conv-1")
    await customer.settle()
    assert (await conversation(chat)).status == "assigned"


async def test_agents_message_takes_a_conversation_from_the_bot(start_chat: StartChat) -> None:
    chat = await start_chat(bot="echo")
    agent, customer = await chat.pair()
    await agent.call("send_message", {"conversationId": "conv-1", "content": "I am human"})
    update = await customer.expect("conversation_updated")
    assert update["conversation"]["status"] == "assigned"
    assert update["conversation"]["assignee"]["userId"] == "agent-1"


async def test_room_is_notified_of_a_claim_during_another_agents_join(chat: RunningChat) -> None:
    """Claim the conversation after the join has read it and before the agent enters the room."""
    await fill(chat, 0)
    winner, joining = await chat.agent("winner"), await chat.agent("joining")
    read, was_read, may_go_on = chat.parts.store.conversation, asyncio.Event(), asyncio.Event()

    async def slow_read(conversation_id: str) -> Any:
        found = await read(conversation_id)
        was_read.set()
        await may_go_on.wait()
        return found

    chat.parts.store.conversation = slow_read  # type: ignore[method-assign]  # so that the claim happens in between
    joined = await joining.start("join_conversation", "conv-1")
    await was_read.wait()
    chat.parts.store.conversation = read  # type: ignore[method-assign]  # restored
    assert (await change(winner, "claim_conversation", 1))["success"]
    may_go_on.set()
    assert (await joined)["conversation"]["status"] == "assigned"
    assert (await change(winner, "release_conversation", 2))["success"]


async def test_agent_takes_over_and_transfers_to_an_agent_who_is_not_offline(chat: RunningChat) -> None:
    await fill(chat, 1)
    ada, bob = await chat.agent("ada"), await chat.agent("bob")
    for peer in (ada, bob):
        await peer.call("join_conversation", "conv-1")
    listed = (await ada.call("list_agents"))["agents"]
    assert [(agent["user"]["userName"], agent["status"]) for agent in listed] == [("Ada", "online"), ("Bob", "online")]
    version = (await change(ada, "claim_conversation", 1))["conversation"]["version"]

    async def assign(peer: Peer, user_id: str, version: int) -> Any:
        return await peer.call(
            "assign_conversation", {"conversationId": "conv-1", "version": version, "userId": user_id}
        )

    stale = await assign(bob, "bob", version - 1)
    assert stale["error"]["code"] == "conflict"
    taken = await assign(bob, "bob", version)
    assert taken["conversation"]["assignee"]["userId"] == "bob"
    back = await assign(bob, "ada", version + 1)
    assert back["conversation"]["assignee"]["userId"] == "ada"
    await chat.parts.store.ensure_user(User(user_id="cleo", user_name="Cleo", role="admin"))
    for user_id in ("cleo", "ann", "unknown"):  # an agent who is offline, a customer, no user
        refused = await assign(ada, user_id, version + 2)
        assert refused["error"]["code"] == "bad_request"
