"""Graceful shutdown: announced, new requests rejected, running ones finished, closed with 1012 in time."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from tests.conftest import StartServer
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.peer import Closed, Peer
from tests.support.server import ServerProcess

MESSAGE = {"conversationId": "conv-1", "content": "hello"}


async def test_every_client_is_notified_with_its_own_delay(chat: RunningChat) -> None:
    agents = [await chat.agent(f"agent-{number}") for number in range(8)]
    drain = asyncio.create_task(chat.drain())
    delays = [(await agent.expect("server_draining"))["retryAfterMs"] for agent in agents]
    assert all(0 <= delay <= 2000 for delay in delays)
    assert len(set(delays)) > 1
    await drain
    assert [await agent.wait_closed() for agent in agents] == [1012] * 8
    assert not any(agent.disconnected for agent in agents)


async def test_sends_during_the_drain_are_rejected_with_draining(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    drain = asyncio.create_task(chat.drain())
    await customer.expect("server_draining")
    ack = await customer.call("send_message", MESSAGE)
    assert (ack["error"]["code"], ack["error"]["retryable"]) == ("draining", True)
    await drain
    assert not agent.seen("message_received")


async def test_new_connections_are_refused_before_the_handshake(chat: RunningChat) -> None:
    agent = await chat.agent()
    drain = asyncio.create_task(chat.drain())
    await agent.expect("server_draining")
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await Peer.open(chat.url)
    assert caught.value.status == 503
    assert caught.value.headers is not None
    assert int(caught.value.headers["Retry-After"]) > 0
    await drain


async def test_connection_opened_during_the_drain_is_closed(chat: RunningChat) -> None:
    opening, anonymous = await Peer.open(chat.url), await chat.connect()
    await chat.drain()
    await anonymous.wait_closed()
    await opening.rest_of_frames()
    await opening.close()


async def test_in_flight_request_is_finished_and_answered(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    append, may_commit, began = chat.parts.store.append, asyncio.Event(), asyncio.Event()

    async def slow_append(draft: Any) -> Any:
        began.set()
        await may_commit.wait()
        return await append(draft)

    chat.parts.store.append = slow_append  # type: ignore[method-assign]  # so that the drain happens during the commit
    sent = await customer.start("send_message", MESSAGE)
    await began.wait()
    drain = asyncio.create_task(chat.drain())
    await agent.expect("server_draining")
    may_commit.set()
    assert (await sent)["seq"] == 1
    await agent.expect("message_received", seq=1)
    await drain


async def test_stuck_request_does_not_delay_the_drain(start_chat: StartChat) -> None:
    chat = await start_chat(drain_ms=1000, ack_deadline_ms=60_000)
    _, customer = await chat.pair()
    began = asyncio.Event()

    async def stuck(draft: Any) -> None:
        del draft
        began.set()
        await asyncio.Event().wait()

    chat.parts.store.append = stuck  # type: ignore[assignment, method-assign]  # no database hangs on demand
    sent = await customer.start("send_message", MESSAGE)
    await began.wait()
    await asyncio.wait_for(chat.drain(), 30)
    with pytest.raises(Closed):
        await sent


async def test_second_drain_changes_nothing(chat: RunningChat) -> None:
    agent = await chat.agent()
    await asyncio.gather(chat.drain(), chat.drain())
    assert len(agent.seen("server_draining")) == 1


async def send_until_closed(peer: Peer, conversation_id: str) -> tuple[list[int], int]:
    """Send without pause; return the acked numbers and the number of replies other than ack or ``draining``."""
    acked, unknown = [], 0
    for number in range(10_000):
        payload = {"conversationId": conversation_id, "content": str(number), "clientMessageId": f"m-{number}"}
        try:
            answer = await peer.call("send_message", payload)
        except (Closed, ConnectionError):
            break
        if answer["success"]:
            acked.append(answer["seq"])
        elif answer["error"]["code"] != "draining":
            unknown += 1
    return acked, unknown


async def customer_of(server: ServerProcess, number: int) -> tuple[Peer, str]:
    conversation_id = f"conv-{number}"
    peer = await Peer.connect(server.url, {"sessionId": f"session-{number}"})
    assert (await peer.call("join_conversation", conversation_id))["success"]
    return peer, conversation_id


async def test_sigterm_under_load_loses_no_acked_message(start_server: StartServer) -> None:
    # A drain that waited for its end would take longer than `terminate` waits.
    server = await asyncio.to_thread(start_server, "--limits", "off", "--set", "drain_ms=300000")
    customers = [await customer_of(server, number) for number in range(10)]
    tasks = [asyncio.create_task(send_until_closed(*customer)) for customer in customers]
    await asyncio.gather(*(peer.expect("message_received", seq=20) for peer, _ in customers))
    assert await asyncio.to_thread(server.terminate) == 143
    results = await asyncio.gather(*tasks)
    assert [peer.close_code for peer, _ in customers] == [1012] * 10
    await asyncio.to_thread(server.start)
    for (peer, conversation_id), (acked, unknown) in zip(customers, results, strict=True):
        await peer.close()
        assert unknown == 0
        assert acked == list(range(1, len(acked) + 1))
        number = conversation_id.removeprefix("conv-")
        again, _ = await customer_of(server, int(number))
        page = await again.call("history", {"conversationId": conversation_id})
        assert page["headSeq"] == len(acked)
        await again.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_second_signal_ends_the_process_at_once(
    start_server: StartServer, number: signal.Signals, code: int
) -> None:
    server = await asyncio.to_thread(start_server)
    peer, _ = await customer_of(server, 1)
    os.kill(server.pid, number)
    await peer.expect("server_draining")
    os.kill(server.pid, number)
    assert await peer.wait_closed() != 1012
    assert await asyncio.to_thread(server.terminate) == code
    with suppress(Closed):
        await peer.close()


async def test_closed_terminal_stops_the_server_gracefully(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server)
    peer, _ = await customer_of(server, 1)
    os.kill(server.pid, signal.SIGHUP)
    await peer.expect("server_draining")
    os.kill(server.pid, signal.SIGHUP)
    assert await peer.wait_closed() == 1012
    assert await asyncio.to_thread(server.wait_end) == 129
    await peer.close()


async def test_sigterm_without_connections_ends_the_process(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server)
    assert await asyncio.to_thread(server.terminate) == 143
    assert not any("Traceback" in line for line in server.stderr.lines)
