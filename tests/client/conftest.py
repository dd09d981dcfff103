"""Fixtures: a server that can be killed, and a connected customer."""

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
    """Client of a customer, connected and joined to conversation ``c1``."""
    customer = RecordingListener.customer(chat.url, "ann")
    await customer.client.connect()
    await customer.client.join_conversation("c1")
    yield customer
    await customer.client.disconnect()
