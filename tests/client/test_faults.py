from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from chatws.client import ClientOptions, ConnectionChange, Disconnected, Event, RequestRefused
from chatws.protocol.errors import ErrorCode
from tests.client.recording_listener import Listener
from tests.support.chat import RunningChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    async with RunningChat(tmp_path / "data") as running:
        yield running


async def test_a_cut_link_comes_back_after_its_time_and_brings_what_was_written_meanwhile(chat: RunningChat) -> None:
    ann = Listener.customer(chat.url, "ann")
    async with ann.client:
        await ann.client.join_conversation("c1")
        ann.client.cut_link(0.2)
        pending = ann.client.post_message("c1", "written offline")
        assert (await pending.done).seq == 1
        assert ann.states[0] == "connected"
        assert ann.states[-1] == "connected"
        assert ann.states.count("reconnecting") >= 1


async def test_reconnecting_now_ends_an_outage_on_request(chat: RunningChat) -> None:
    ann = Listener.customer(chat.url, "ann")
    async with ann.client:
        ann.client.cut_link(3_600)
        await ann.wait_for(lambda heard: heard.states.count("reconnecting") >= 2)
        ann.client.reconnect_now()
        await ann.wait_for(lambda heard: heard.states.count("connected") == 2)


async def test_a_frozen_link_lets_nothing_through_until_it_thaws(chat: RunningChat) -> None:
    ann, bob = Listener.customer(chat.url, "ann"), Listener.agent(chat.url, chat.token())
    async with AsyncExitStack() as stack:
        for listener in (ann, bob):
            await stack.enter_async_context(listener.client)
            await listener.client.join_conversation("c1")
        assert ann.client.freeze_link(1.0)
        assert not ann.client.freeze_link(1.0), "one freeze at a time"
        pending = ann.client.post_message("c1", "swallowed")
        await bob.client.send_message("c1", "from outside")
        assert (ann.contents, pending.done.done()) == ([], False)
        await pending.done
        assert await ann.wait_messages(2) == ["from outside", "swallowed"]
        assert ann.states == ["connected"]


async def test_nothing_is_frozen_without_a_websocket(chat: RunningChat) -> None:
    ann = Listener.customer(chat.url, "ann", ClientOptions(transports=("polling",)))
    async with ann.client:
        assert not ann.client.freeze_link(0.1)


async def test_an_expired_session_is_final_and_an_expired_token_is_renewed(chat: RunningChat) -> None:
    ann, bob = Listener.customer(chat.url, "ann"), Listener.agent(chat.url, chat.token)
    async with ann.client, bob.client:
        ann.client.expire_credentials()
        bob.client.expire_credentials()
        await ann.wait_for(lambda heard: heard.states[-1:] == ["disconnected"])
        await bob.wait_for(lambda heard: heard.states == ["connected", "reconnecting", "connected"])
        (*_, change) = ann.of(Event.CONNECTION_CHANGE)
        assert isinstance(change, ConnectionChange)
        assert change.reason.startswith(ErrorCode.SESSION_EXPIRED)
        with pytest.raises((RequestRefused, Disconnected)):
            await ann.client.send_message("c1", "too late")
