"""Agent that answers questions about parcels."""

from __future__ import annotations

import re

from chatws.client import AgentClient, MessageReceived

PARCELS = {"4711": "arrives tomorrow"}


class ParcelBot:
    """Bot that answers each message of a conversation that names a parcel."""

    def __init__(self, url: str, token: str) -> None:
        self._client = AgentClient(url, token)
        self._client.on_message_received(self._answer)

    async def start(self, conversation_id: str) -> None:
        """Connect, and answer the messages of a conversation."""
        await self._client.connect()
        await self._client.join_conversation(conversation_id)

    async def stop(self) -> None:
        """Disconnect."""
        await self._client.disconnect()

    async def _answer(self, message: MessageReceived) -> None:
        if message.own or not (number := re.search(r"\d+", message.content)):
            return
        state = PARCELS.get(number[0], "is unknown")
        await self._client.send_typing_start(message.conversation_id)
        await self._client.send_message(message.conversation_id, f"Parcel {number[0]} {state}.")
