"""Agents and the bot in the SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from chatws.client import RequestRefused
from tests.client.recording_listener import RecordingListener
from tests.support.chat import RunningChat

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.protocol.events import BotNotice


async def test_agent_is_notified_of_a_hand_off_and_assigns_the_bot_again(tmp_path: Path) -> None:
    async with RunningChat(tmp_path / "data", bot="echo") as chat:
        customer, agent = (
            RecordingListener.customer(chat.url, "customer-1"),
            RecordingListener.agent(chat.url, chat.token()),
        )
        notices: asyncio.Queue[BotNotice] = asyncio.Queue()
        agent.client.on_bot_notice(notices.put_nowait)
        await asyncio.gather(customer.client.connect(), agent.client.connect())
        await agent.client.subscribe_inbox()
        await customer.client.join_conversation("conv-1")
        await customer.client.send_message("conv-1", "a human, please")
        notice = await asyncio.wait_for(notices.get(), 30)
        assert (notice.conversation_id, notice.kind) == ("conv-1", "handed_off")
        (conversation,) = (await agent.client.subscribe_inbox()).conversations
        with pytest.raises(RequestRefused):
            await agent.client.assign_bot("conv-1", conversation.version - 1)
        assert (await agent.client.assign_bot("conv-1", conversation.version)).status == "bot"
        await customer.client.send_message("conv-1", "hello again")
        assert (await customer.wait_messages(4))[-1] == "hello again"
        await asyncio.gather(customer.client.disconnect(), agent.client.disconnect())
