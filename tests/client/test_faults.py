from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from chatws.client import ClientOptions, ConnectionChange, Disconnected, Event, RequestRefused, faults
from chatws.protocol.errors import ErrorCode
from tests.client.recording_listener import RecordingListener
from tests.support.chat import RunningChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    async with RunningChat(tmp_path / "data") as running:
        yield running


async def test_cut_connection_reconnects_and_sends_what_was_posted_meanwhile(chat: RunningChat) -> None:
    ann = RecordingListener.customer(chat.url, "ann")
    async with ann.client:
        await ann.client.join_conversation("c1")
        faults.cut_connection(ann.client, 0.2)
        pending = ann.client.post_message("c1", "written offline")
        assert (await pending.done).seq == 1
        assert ann.states[0] == "connected"
        assert ann.states[-1] == "connected"
        assert ann.states.count("reconnecting") >= 1


@pytest.mark.parametrize("turns", range(8))
async def test_packet_sent_during_a_cut_does_not_delay_the_reconnect(chat: RunningChat, turns: int) -> None:
    ann = RecordingListener.customer(chat.url, "ann")
    async with ann.client:
        await ann.client.join_conversation("c1")
        pending = ann.client.post_message("c1", "in the queue of the connection")
        for _ in range(turns):
            await asyncio.sleep(0)
        faults.cut_connection(ann.client)
        # Without the repeated cancellation, a lost one takes the 30 s of the library's write loop.
        async with asyncio.timeout(25):
            await ann.wait_for(lambda listener: listener.states.count("connected") == 2)
        assert (await pending.done).seq == 1


async def test_reconnect_now_ends_a_simulated_outage(chat: RunningChat) -> None:
    ann = RecordingListener.customer(chat.url, "ann")
    async with ann.client:
        faults.cut_connection(ann.client, 3_600)
        await ann.wait_for(lambda listener: listener.states.count("reconnecting") >= 2)
        ann.client.reconnect_now()
        await ann.wait_for(lambda listener: listener.states.count("connected") == 2)


async def test_frozen_connection_transfers_nothing_until_it_thaws(chat: RunningChat) -> None:
    ann, bob = RecordingListener.customer(chat.url, "ann"), RecordingListener.agent(chat.url, chat.token())
    async with AsyncExitStack() as stack:
        for listener in (ann, bob):
            await stack.enter_async_context(listener.client)
            await listener.client.join_conversation("c1")
        assert faults.freeze_connection(ann.client, 3.0)
        assert not faults.freeze_connection(ann.client, 3.0), "one freeze at a time"
        pending = ann.client.post_message("c1", "delayed")
        await bob.client.send_message("c1", "from outside")
        assert (ann.contents, pending.done.done()) == ([], False)
        await pending.done
        assert await ann.wait_messages(2) == ["from outside", "delayed"]
        assert ann.states == ["connected"]


async def test_polling_connection_cannot_be_frozen(chat: RunningChat) -> None:
    ann = RecordingListener.customer(chat.url, "ann", ClientOptions(transports=("polling",)))
    async with ann.client:
        assert not faults.freeze_connection(ann.client, 0.1)


async def test_expired_session_is_final_but_expired_token_is_renewed(chat: RunningChat) -> None:
    ann, bob = RecordingListener.customer(chat.url, "ann"), RecordingListener.agent(chat.url, chat.token)
    async with ann.client, bob.client:
        faults.expire_credentials(ann.client)
        faults.expire_credentials(bob.client)
        await ann.wait_for(lambda listener: listener.states[-1:] == ["disconnected"])
        await bob.wait_for(lambda listener: listener.states == ["connected", "reconnecting", "connected"])
        (*_, change) = ann.of(Event.CONNECTION_CHANGE)
        assert isinstance(change, ConnectionChange)
        assert change.reason.startswith(ErrorCode.SESSION_EXPIRED)
        with pytest.raises((RequestRefused, Disconnected)):
            await ann.client.send_message("c1", "too late")
