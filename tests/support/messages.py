"""Conversations stored before a test starts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from chatws.protocol.entities import User
from chatws.store.interface import Draft
from tests.support.chat import RunningChat

ANN = User(user_id="ann", user_name="Ann", role="customer")


async def fill(chat: RunningChat, count: int, content: str = "text", conversation_id: str = "conv-1") -> None:
    """Store a conversation with this many messages of Ann."""
    store = chat.parts.store
    await store.create_conversation(conversation_id, ANN, "queued")
    await asyncio.gather(*(store.append(Draft(conversation_id, ANN, f"{content} {n}")) for n in range(count)))


def seqs(messages: Iterable[Any]) -> list[int]:
    return [message["seq"] for message in messages]
