"""A server that can be killed, and clients that are always closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.client.chat_server import ChatServer
from tests.client.recording_listener import RecordingListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chatws.client import CustomerClient


@pytest.fixture
async def chat() -> AsyncIterator[ChatServer]:
    server = ChatServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def ann(chat: ChatServer) -> AsyncIterator[RecordingListener[CustomerClient]]:
    """A customer's client, connected and in conversation ``c1``."""
    listener = RecordingListener.customer(chat.url, "ann")
    await listener.client.connect()
    await listener.client.join_conversation("c1")
    yield listener
    await listener.client.disconnect()
