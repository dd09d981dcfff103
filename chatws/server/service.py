"""Server-side API for a program that embeds the server (guide, API Reference)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from chatws.protocol.content import normalise_content
from chatws.protocol.entities import Message, User
from chatws.protocol.spec import EVENTS
from chatws.server.bot.dispatcher import BOT
from chatws.server.connections.lifecycle import user_room
from chatws.server.services import Services
from chatws.store.interface import Draft
from chatws.wire.socketio import RESERVED_EVENTS


class WebSocketService:
    """Sends messages to conversations and events to users."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def send_message(
        self, conversation_id: str, content: str, sender: User = BOT, *, client_message_id: str | None = None
    ) -> Message:
        """Store a message and broadcast it to the conversation's room; it is durable when this returns.

        Raises:
            ChatError: the content is not allowed.
            StoreError: as `Store.append`.
        """
        await self._services.store.ensure_user(sender)
        draft = Draft(conversation_id, sender, normalise_content(content), client_message_id)
        return (await self._services.conversations.append(draft)).message

    def send_to_user(self, user_id: str, event: str, payload: object = UNSET) -> int:
        """Emit an event to every connection of a user; return the number of connections on this server.

        Connections to other servers receive it over the bus, which may lose it.

        Raises:
            ValueError: the name is reserved by Socket.IO or the contract.
        """
        if not is_free_name(event):
            raise ValueError(event)
        sockets = self._services.registry.sockets_of(user_id)
        args = () if payload is UNSET else (payload,)
        self._services.namespace.to(user_room(user_id)).emit(event, *args)
        encoded = payload if payload is UNSET else msgspec.Raw(msgspec.json.encode(payload))
        self._services.cluster.publish_user_event(user_id, event, encoded)
        return len(sockets)

    def get_connection_count(self) -> int:
        """Return the number of authenticated connections."""
        return len(self._services.registry)


def is_free_name(event: str) -> bool:
    """Return whether an event name is reserved neither by Socket.IO nor by the contract."""
    return event not in RESERVED_EVENTS and event not in EVENTS
