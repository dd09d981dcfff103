"""Connection state recovery: a client presents ``pid`` and its last ``recovery_offset`` in its next CONNECT."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from chatws.bus.messages import MessageStored
from chatws.protocol.entities import User
from chatws.protocol.limits import MAX_RECOVERED_MESSAGES
from chatws.store.interface import Draft
from tests.server.conftest import StartChat, StartCluster
from tests.support.chat import RunningChat
from tests.support.peer import Peer

CUSTOMER = {"sessionId": "session-1"}


async def joined(chat: RunningChat, auth: Any, *conversation_ids: str) -> Peer:
    peer = await chat.connect(auth)
    for conversation_id in conversation_ids:
        assert (await peer.call("join_conversation", conversation_id))["success"]
    return peer


async def lost(peer: Peer) -> dict[str, str]:
    """Cut a connection; return what the official client presents in its next CONNECT, besides credentials."""
    await peer.settle()
    offsets = peer.seen("recovery_offset")
    peer.cut()
    await peer.wait_closed()
    return {"pid": peer.accepted["pid"], **({"offset": offsets[-1]} if offsets else {})}


async def send(peer: Peer, *contents: str, conversation_id: str = "conv-1") -> None:
    for content in contents:
        assert (await peer.call("send_message", {"conversationId": conversation_id, "content": content}))["success"]


async def received(peer: Peer) -> list[tuple[str, int]]:
    await peer.settle()
    return [(message["conversationId"], message["seq"]) for message in peer.seen("message_received")]


async def test_recovered_connection_receives_the_missed_messages_and_is_in_its_rooms(chat: RunningChat) -> None:
    customer = await joined(chat, CUSTOMER, "conv-1")
    agent = await joined(chat, {"token": chat.token()}, "conv-1")
    await send(agent, "one")
    state = await lost(customer)
    await send(agent, "two", "three")
    returned = await chat.connect({**CUSTOMER, **state})
    await send(agent, "four")
    assert returned.accepted["pid"] == state["pid"]
    assert await received(returned) == [("conv-1", 2), ("conv-1", 3), ("conv-1", 4)]
    await agent.call("typing_start", "conv-1")
    await returned.expect("typing_indicator", isTyping=True)
    assert (await returned.call("send_message", {"conversationId": "conv-1", "content": "five"}))["seq"] == 5


async def test_offset_covers_every_conversation_of_an_agent(chat: RunningChat) -> None:
    customers = [await joined(chat, {"sessionId": f"session-{n}"}, f"conv-{n}") for n in range(3)]
    agent = await joined(chat, {"token": chat.token()}, "conv-0", "conv-1", "conv-2")
    await agent.call("leave_conversation", "conv-2")
    for n in (0, 1, 1):
        await send(customers[n], "received", conversation_id=f"conv-{n}")
    state = await lost(agent)
    for n in (1, 0, 2, 1):
        await send(customers[n], "missed", conversation_id=f"conv-{n}")
    returned = await chat.connect({"token": chat.token(), **state})
    assert returned.accepted["pid"] == state["pid"]
    assert sorted(await received(returned)) == [("conv-0", 2), ("conv-1", 3), ("conv-1", 4)]


async def test_recovery_amid_a_stream_of_messages_loses_and_repeats_nothing(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off")
    customer = await joined(chat, CUSTOMER, "conv-1")
    agent = await joined(chat, {"token": chat.token()}, "conv-1")
    sent = [await agent.start("send_message", {"conversationId": "conv-1", "content": "0"})]
    seqs: list[int] = []
    state: dict[str, str] = {}
    for n in range(1, 400):
        sent.append(await agent.start("send_message", {"conversationId": "conv-1", "content": str(n)}))
        if n % 40 == 0:
            state |= await lost(customer)
            seqs += seqs_before(customer, state["offset"])
            customer = await chat.connect({**CUSTOMER, **state})
            assert customer.accepted["pid"] == state["pid"]
    await asyncio.gather(*sent)
    seqs += [seq for _, seq in await received(customer)]
    assert seqs == list(range(1, 401))


def seqs_before(peer: Peer, offset: str) -> list[int]:
    """Return what a closed connection received up to an offset; the client has not seen what arrived after it."""
    if ("recovery_offset", offset) not in peer.events:
        return []  # the offset of an earlier connection
    events = peer.events[: peer.events.index(("recovery_offset", offset))]
    return [message["seq"] for name, message in events if name == "message_received"]


async def test_server_that_has_delivered_less_than_the_client_received_repeats_nothing(
    start_cluster: StartCluster,
) -> None:
    cluster = await start_cluster(sweep_ms=60_000)
    first, second = cluster.servers
    customer = await joined(first, CUSTOMER, "conv-1")
    observer = await joined(second, {"token": second.token("agent-2")}, "conv-1")
    cluster.buses[0].lost = (MessageStored,)
    await send(customer, "one", "two")
    state = await lost(customer)
    cluster.buses[0].lost = ()
    returned = await second.connect({**CUSTOMER, **state})
    await send(returned, "three")
    assert returned.accepted["pid"] == state["pid"]
    assert await received(returned) == [("conv-1", 3)]
    assert await received(observer) == [("conv-1", 1), ("conv-1", 2), ("conv-1", 3)]


async def test_client_without_an_offset_reconnects_with_null_in_its_place(chat: RunningChat) -> None:
    agent = await chat.agent()
    await agent.call("set_presence", {"status": "busy"})
    pid = agent.accepted["pid"]
    await agent.close()
    returned = await chat.connect({"token": chat.token(), "pid": pid, "offset": None})
    assert returned.accepted["pid"] != pid
    record = chat.parts.presence.users["agent-1"]
    assert [connection.choice for connection in record.connections] == ["busy"]


async def test_recovered_connection_keeps_the_chosen_status(chat: RunningChat) -> None:
    customer = await joined(chat, CUSTOMER, "conv-1")
    agent = await joined(chat, {"token": chat.token()}, "conv-1")
    await customer.settle()
    customer.events.clear()
    state: dict[str, str] = {}
    for status in ("busy", "away"):
        await agent.call("set_presence", {"status": status})
        state |= await lost(agent)  # a recovered client keeps its offset until the next message
        agent = await chat.connect({"token": chat.token(), **state})
        assert agent.accepted["pid"] == state["pid"]
    await agent.settle()
    await customer.settle()
    updates = [event["status"] for event in customer.seen("presence_update")]
    assert [status for status, _ in itertools.groupby(updates)] == ["busy", "away"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda state: {**state, "pid": f"x{state['pid']}x"}, id="pid of another user"),
        pytest.param(lambda state: {**state, "offset": f"{state['offset']},conv-2:0"}, id="another's conversation"),
        pytest.param(lambda state: {**state, "offset": "conv-1:9"}, id="position after the head"),
        pytest.param(lambda state: {**state, "offset": "no offset"}, id="malformed offset"),
        pytest.param(lambda state: {**state, "offset": ",".join(f"c{n}:0" for n in range(21))}, id="too many"),
    ],
)
async def test_refused_recovery_changes_nothing_and_voids_the_offset(chat: RunningChat, change: Any) -> None:
    await joined(chat, {"sessionId": "session-2"}, "conv-2")
    customer = await joined(chat, CUSTOMER, "conv-1")
    await send(customer, "one")
    state = await lost(customer)
    returned = await chat.connect({**CUSTOMER, **change(state)})
    assert returned.accepted["pid"] not in state["pid"]
    assert await received(returned) == []
    assert returned.seen("recovery_offset") == [""]
    assert (await returned.call("typing_start", "conv-1"))["error"]["code"] == "not_joined"


async def test_offset_of_another_identity_is_refused(chat: RunningChat) -> None:
    await joined(chat, CUSTOMER, "conv-1")
    state = await lost(await joined(chat, {"token": chat.token("agent-1")}, "conv-1"))
    other = await chat.connect({"token": chat.token("agent-2"), **state})
    assert other.accepted["pid"] != state["pid"]
    assert (await other.call("typing_start", "conv-1"))["error"]["code"] == "not_joined"


async def test_offset_of_a_database_before_a_restore_is_refused(start_chat: StartChat) -> None:
    chat = await start_chat()
    customer = await joined(chat, CUSTOMER, "conv-1")
    state = await lost(customer)
    chat.parts.store._epoch = "restored"  # type: ignore[attr-defined]  # as a restore sets it
    assert (await chat.connect({**CUSTOMER, **state})).accepted["pid"] != state["pid"]


async def test_more_missed_messages_than_the_limit_are_refused(chat: RunningChat) -> None:
    customer = await joined(chat, CUSTOMER, "conv-1")
    state = await lost(customer)
    draft = Draft("conv-1", User(user_id="bot", user_name="AI", role="bot"), "missed")
    await asyncio.gather(*(chat.parts.store.append(draft) for _ in range(MAX_RECOVERED_MESSAGES)))
    returned = await chat.connect({**CUSTOMER, **state})
    assert len(await received(returned)) == MAX_RECOVERED_MESSAGES
    await lost(returned)
    await chat.parts.store.append(draft)
    assert (await chat.connect({**CUSTOMER, **state})).accepted["pid"] != state["pid"]


async def test_client_that_catches_up_by_itself_receives_no_offsets(chat: RunningChat) -> None:
    customer = await joined(chat, {**CUSTOMER, "recovery": "off"}, "conv-1")
    await send(customer, "one")
    assert not customer.seen("recovery_offset")


async def test_no_client_receives_offsets_when_the_setting_is_off(start_chat: StartChat) -> None:
    chat = await start_chat(recovery="off")
    customer = await joined(chat, CUSTOMER, "conv-1")
    await send(customer, "one")
    assert not customer.seen("recovery_offset")


@pytest.mark.parametrize(
    "request_", [("join_conversation", {"conversationId": "conv-1", "afterSeq": 0}), ("subscribe_inbox", {})]
)
async def test_request_whose_effect_cannot_be_recovered_voids_the_offset(
    chat: RunningChat, request_: tuple[str, Any]
) -> None:
    customer = await joined(chat, CUSTOMER, "conv-1")
    agent = await joined(chat, {"token": chat.token()}, "conv-1")
    assert (await agent.call(*request_))["success"]
    await send(customer, "one")
    state = await lost(agent)
    assert (await chat.connect({"token": chat.token(), **state})).accepted["pid"] != state["pid"]


async def test_offset_follows_a_notification_whose_payload_is_a_string(chat: RunningChat) -> None:
    customer = await joined(chat, CUSTOMER, "conv-1")
    user_id = (await customer.expect("authenticated"))["userId"]
    await customer.settle()
    customer.events.clear()
    chat.service.send_to_user(user_id, "notification", "text")
    await customer.settle()
    assert customer.events == [("notification", "text"), ("recovery_offset", "conv-1:0")]


async def test_polling_client_receives_a_message_and_its_offset_in_one_poll(chat: RunningChat) -> None:
    agent = await joined(chat, {"sessionId": "session-1"}, "conv-1")
    url = f"{chat.url}/socket.io/?EIO=4&transport=polling"

    async def post(packet: str) -> None:
        async with chat.http.post(url, data=packet) as response:
            assert response.status == 200

    async def poll() -> list[str]:
        async with chat.http.get(url) as response:
            return (await response.text()).split("\x1e")

    [opened] = await poll()
    url += "&sid=" + opened.split('"sid":"')[1].split('"')[0]
    await post(f'40{{"token":"{chat.token()}"}}')
    await post('42["join_conversation","conv-1"]')
    packets: list[str] = []
    while not any("joined_conversation" in packet for packet in packets):
        packets = await poll()
    await send(agent, "one")
    packets = await poll()
    names = [packet.split('"')[1] for packet in packets if packet.startswith("42")]
    assert names.index("recovery_offset") == names.index("message_received") + 1
