"""Limits of the contract that the server enforces, one test per row, and the setting that disables them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat, until
from tests.support.messages import fill
from tests.support.peer import Closed, Peer, PeerRefused


async def codes(peer: Peer, name: str, payload: Any, count: int) -> list[str]:
    """Send this many requests at once; return the codes of the replies, "ok" for success."""
    answers = await asyncio.gather(*[await peer.start(name, payload) for _ in range(count)])
    for answer in answers:
        if not answer["success"] and answer["error"]["code"] == "rate_limited":
            assert answer["error"]["retryable"] is True
            assert answer["error"]["retryAfterMs"] > 0
    return ["ok" if answer["success"] else answer["error"]["code"] for answer in answers]


MESSAGE = {"conversationId": "conv-1", "content": "x"}
JOIN = "conv-1"
READ = {"conversationId": "conv-1", "seq": 0}
SLOW = {"send_per_s": 0.001, "join_per_s": 0.001, "total_per_s": 0.001}


async def test_messages_have_a_burst_and_a_rate(start_chat: StartChat) -> None:
    chat = await start_chat(send_per_s=0.01, send_burst=5)
    _, customer = await chat.pair()
    assert await codes(customer, "send_message", MESSAGE, 7) == ["ok"] * 5 + ["rate_limited"] * 2
    chat.clock.advance(200)
    assert await codes(customer, "send_message", MESSAGE, 3) == ["ok"] * 2 + ["rate_limited"]


async def test_request_is_accepted_after_retry_after(start_chat: StartChat) -> None:
    chat = await start_chat(send_per_s=0.01, send_burst=1)
    _, customer = await chat.pair()
    await customer.call("send_message", MESSAGE)
    refusal = await customer.call("send_message", MESSAGE)
    chat.clock.advance(refusal["error"]["retryAfterMs"] / 1000)
    assert (await customer.call("send_message", MESSAGE))["success"]


async def test_joins_and_leaves_have_a_burst_and_a_rate(start_chat: StartChat) -> None:
    chat = await start_chat(join_per_s=0.01, join_burst=4)
    await fill(chat, 0)
    agent = await chat.agent()
    assert await codes(agent, "join_conversation", JOIN, 3) == ["ok"] * 3
    assert await codes(agent, "leave_conversation", JOIN, 1) == ["ok"]
    assert await codes(agent, "join_conversation", JOIN, 1) == ["rate_limited"]
    chat.clock.advance(100)
    assert await codes(agent, "join_conversation", JOIN, 2) == ["ok", "rate_limited"]


async def test_all_requests_of_a_socket_together_have_a_burst_and_a_rate(start_chat: StartChat) -> None:
    chat = await start_chat(total_per_s=0.01, total_burst=10)
    await fill(chat, 0)
    agent, other = await chat.agent(), await chat.agent()
    assert await codes(agent, "mark_read", READ, 12) == ["ok"] * 10 + ["rate_limited"] * 2
    assert await codes(agent, "typing_start", JOIN, 1) == ["rate_limited"]
    assert await codes(other, "mark_read", READ, 1) == ["ok"]
    chat.clock.advance(300)
    assert await codes(agent, "mark_read", READ, 4) == ["ok"] * 3 + ["rate_limited"]


async def test_refused_message_is_not_stored(start_chat: StartChat) -> None:
    chat = await start_chat(send_per_s=0.001, send_burst=2)
    agent, customer = await chat.pair()
    await codes(customer, "send_message", MESSAGE, 5)
    await agent.settle()
    assert len(agent.seen("message_received")) == 2
    assert (await agent.call("history", {"conversationId": "conv-1"}))["headSeq"] == 2


async def connected(chat: RunningChat, auth: Any, count: int) -> list[str | None]:
    """Open this many connections; return the codes of the rejections, None for success."""
    results: list[str | None] = []
    for _ in range(count):
        try:
            await chat.connect(auth)
        except PeerRefused as refusal:
            results.append(refusal.code)
        else:
            results.append(None)
    return results


async def test_connections_of_one_session_are_limited(chat: RunningChat) -> None:
    assert await connected(chat, {"sessionId": "s-1"}, 7) == [None] * 5 + ["connection_limit"] * 2
    assert await connected(chat, {"sessionId": "s-2"}, 1) == [None]


async def test_connections_of_one_agent_are_limited(chat: RunningChat) -> None:
    assert await connected(chat, {"token": chat.token()}, 12) == [None] * 10 + ["connection_limit"] * 2
    assert await connected(chat, {"token": chat.token("agent-2")}, 1) == [None]


async def test_closed_connection_frees_its_slot(start_chat: StartChat) -> None:
    chat = await start_chat(connections_per_agent=1)
    first = await chat.agent()
    assert await connected(chat, {"token": chat.token()}, 1) == ["connection_limit"]
    await first.close()
    assert await connected(chat, {"token": chat.token()}, 1) == [None]


async def test_late_authentication_counts_connections_too(start_chat: StartChat) -> None:
    chat = await start_chat(connections_per_agent=1)
    await chat.agent()
    late = await chat.connect()
    assert (await late.call("authenticate", {"token": chat.token()}))["error"]["code"] == "connection_limit"


@pytest.mark.parametrize("setting", ["connections", "connections_per_address", "unauthenticated"])
async def test_connection_over_capacity_is_refused_before_the_handshake(start_chat: StartChat, setting: str) -> None:
    chat = await start_chat(**{setting: 3})
    peers = [await Peer.open(chat.url) for _ in range(3)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await Peer.open(chat.url)
    assert caught.value.status == 503
    assert caught.value.headers is not None
    assert int(caught.value.headers["Retry-After"]) > 0
    for peer in peers:
        await peer.close()


async def test_authenticated_connections_free_slots_of_unauthenticated_ones(start_chat: StartChat) -> None:
    chat = await start_chat(unauthenticated=1)
    assert await connected(chat, {"token": chat.token()}, 3) == [None] * 3


@pytest.mark.parametrize("setting", ["new_per_s", "new_per_address_per_s"])
async def test_connections_over_the_rate_are_refused(start_chat: StartChat, setting: str) -> None:
    chat = await start_chat(**{setting: 2})
    opened = await asyncio.gather(*(Peer.open(chat.url) for _ in range(12)), return_exceptions=True)
    refused = [one for one in opened if isinstance(one, aiohttp.WSServerHandshakeError)]
    assert {one.status for one in refused} == {503}
    assert len(refused) >= 4
    for peer in opened:
        if isinstance(peer, Peer):
            await peer.close()


async def test_rooms_of_one_socket_are_limited(start_chat: StartChat) -> None:
    chat = await start_chat(rooms_per_socket=2)
    for number in range(3):
        await fill(chat, 0, conversation_id=f"conv-{number}")
    agent = await chat.agent()
    for number in (0, 1, 1):
        assert await codes(agent, "join_conversation", f"conv-{number}", 1) == ["ok"]
    assert await codes(agent, "join_conversation", "conv-2", 1) == ["connection_limit"]
    await agent.call("leave_conversation", "conv-0")
    assert await codes(agent, "join_conversation", "conv-2", 1) == ["ok"]


async def test_members_of_one_room_are_limited(start_chat: StartChat) -> None:
    chat = await start_chat(members_per_room=2)
    agent, customer = await chat.pair()
    late = await chat.agent("agent-2")
    assert await codes(late, "join_conversation", "conv-1", 1) == ["connection_limit"]
    assert await codes(customer, "join_conversation", "conv-1", 1) == ["ok"]
    await agent.call("leave_conversation", "conv-1")
    assert await codes(late, "join_conversation", "conv-1", 1) == ["ok"]


async def test_frame_over_64_kib_closes_the_transport(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    fits = {"conversationId": "conv-1", "content": "x", "padding": "p" * 60_000}
    assert (await customer.call("send_message", fits))["success"]
    with pytest.raises(Closed) as caught:
        await customer.call("send_message", {**fits, "padding": "p" * 70_000})
    assert caught.value.code == 1009


async def test_handshake_advertises_the_largest_frame(start_chat: StartChat) -> None:
    chat = await start_chat(max_frame_bytes=2048)
    async with chat.http.ws_connect(f"{chat.url}/socket.io/?EIO=4&transport=websocket") as socket:
        opening = await socket.receive_str()
        assert '"maxPayload":2048' in opening.replace(" ", "")


async def test_id_with_unsafe_characters_or_over_64_is_refused(chat: RunningChat) -> None:
    customer = await chat.customer()
    for conversation_id in ("a" * 65, "a b", "../x", "é", "", "conv:1", "a\n"):
        assert await codes(customer, "join_conversation", conversation_id, 1) == ["bad_request"], conversation_id


async def test_id_of_64_safe_characters_is_accepted(chat: RunningChat) -> None:
    assert await codes(await chat.customer(), "join_conversation", "aZ_-" * 16, 1) == ["ok"]


async def test_client_message_id_has_1_to_64_characters_without_nul(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    invalid: list[Any] = ["", "x" * 65, "a\x00b", 7, None]
    for client_message_id in invalid:
        ack = await customer.call("send_message", {**MESSAGE, "clientMessageId": client_message_id})
        assert ack["error"]["code"] == "bad_request", client_message_id


async def test_content_has_at_most_16_kib(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    assert (await customer.call("send_message", {**MESSAGE, "content": "\N{GRINNING FACE}" * 4000}))["success"]
    too_much = await customer.call("send_message", {**MESSAGE, "content": "\N{GRINNING FACE}" * 4001})
    assert too_much["error"]["code"] == "too_large"


async def test_attachments_are_refused(chat: RunningChat) -> None:
    for frame in ('451-["send_message",{"_placeholder":true,"num":0}]', "461-1[]"):
        customer = await chat.customer()
        await customer.send_raw(frame)
        assert await customer.wait_closed() == 1002


@pytest.mark.parametrize("bound", ["outbox", "stall"])
async def test_stalled_reader_is_disconnected_and_others_are_not(start_chat: StartChat, bound: str) -> None:
    limits = {"max_outbox_bytes": 65_536} if bound == "outbox" else {"max_outbox_bytes": 2**30, "write_stall_ms": 100}
    chat = await start_chat(limits="off", send_buffer_bytes=4096, **limits)
    _, customer = await chat.pair()
    stalled = await chat.agent("stalled", buffer_bytes=4096)
    await stalled.call("join_conversation", "conv-1")
    stalled.pause_reading()
    for _ in range(150):
        assert (await customer.call("send_message", {**MESSAGE, "content": "x" * 4000}))["success"]
    await until(lambda: chat.service.get_connection_count() == 2)
    stalled.resume_reading()
    assert await stalled.wait_closed() == 1006
    assert (await customer.call("history", {"conversationId": "conv-1", "limit": 1}))["headSeq"] == 150


async def test_limits_off_disables_rates_and_counts(start_chat: StartChat) -> None:
    counts = {"rooms_per_socket": 1, "members_per_room": 1, "connections": 1, "connections_per_agent": 1}
    more = {"connections_per_address": 1, "unauthenticated": 1, "new_per_s": 1, "new_per_address_per_s": 1}
    bursts = {"send_burst": 1, "join_burst": 1, "total_burst": 1, "credential_failures_per_minute": 1}
    chat = await start_chat(limits="off", **SLOW, **counts, **more, **bursts)
    await fill(chat, 0)
    await fill(chat, 0, conversation_id="conv-2")
    assert await connected(chat, {"token": "nonsense"}, 3) == ["unauthorized"] * 3
    agents = [await chat.agent() for _ in range(3)]
    for agent in agents:
        for name in ("conv-1", "conv-2"):
            assert await codes(agent, "join_conversation", name, 1) == ["ok"]
        assert await codes(agent, "send_message", MESSAGE, 5) == ["ok"] * 5


async def test_limits_off_keeps_the_maximum_sizes_of_messages_and_frames(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off")
    _, customer = await chat.pair()
    assert await codes(customer, "send_message", {**MESSAGE, "content": "x" * 4001}, 1) == ["too_large"]
    await customer.emit("send_message", {**MESSAGE, "padding": "p" * 70_000})
    assert await customer.wait_closed() == 1009


async def test_malformed_requests_count_against_the_total(start_chat: StartChat) -> None:
    chat = await start_chat(total_per_s=0.01, total_burst=5)
    customer = await chat.customer()
    answers = [await customer.call("no_such_event") for _ in range(7)]
    assert [answer["error"]["code"] for answer in answers] == ["unknown_event"] * 5 + ["rate_limited"] * 2
