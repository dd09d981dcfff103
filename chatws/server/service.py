"""Server-side API for a program that embeds the server (guide, API Reference)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from chatws.protocol.content import normalise_content
from chatws.protocol.entities import Id, Message, Role, User, Wire
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.spec import EVENTS
from chatws.server.bot.dispatcher import BOT
from chatws.server.connections.lifecycle import emit_to_user
from chatws.server.services import Services
from chatws.store.interface import Draft
from chatws.wire.socketio import RESERVED_EVENTS


class MessageSender(Wire, frozen=True, kw_only=True):
    """Sender of the guide's MessageData; the default name is the id."""

    user_id: Id
    user_name: str | UnsetType = UNSET
    role: Role


class MessageData(Wire, frozen=True, kw_only=True):
    """The guide's MessageData; its ``timestamp`` is ignored, because the server sets the time of storage."""

    conversation_id: Id
    content: str
    sender: MessageSender


class WebSocketService:
    """Sends messages to conversations and events to users."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def send_message(
        self,
        conversation_id: str,
        message: str | Mapping[str, Any],
        sender: User = BOT,
        *,
        client_message_id: str | None = None,
    ) -> Message:
        """Store a message and broadcast it to the conversation's room; it is durable when this returns.

        ``message`` is the content, or the guide's MessageData, which includes the sender.

        Raises:
            ChatError: the content is not allowed, or MessageData is incomplete or for another conversation.
            StoreError: as `Store.append`.
        """
        if isinstance(message, str):
            content = message
        else:
            content, sender = _read_message_data(conversation_id, message)
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
        emit_to_user(self._services, user_id, event, *args)
        encoded = payload if payload is UNSET else msgspec.Raw(msgspec.json.encode(payload))
        self._services.cluster.publish_user_event(user_id, event, encoded)
        return len(sockets)

    def get_connection_count(self) -> int:
        """Return the number of authenticated connections."""
        return len(self._services.registry)


def _read_message_data(conversation_id: str, fields: Mapping[str, Any]) -> tuple[str, User]:
    """Return content and sender."""
    try:
        read = msgspec.convert(dict(fields), MessageData)
    except msgspec.ValidationError as error:
        raise ChatError(ErrorCode.BAD_REQUEST, f"message: {error}") from None
    if read.conversation_id != conversation_id:
        raise ChatError(ErrorCode.BAD_REQUEST, "message: it names another conversation.")
    name = read.sender.user_id if read.sender.user_name is UNSET else read.sender.user_name
    return read.content, User(user_id=read.sender.user_id, user_name=name, role=read.sender.role)


def is_free_name(event: str) -> bool:
    """Return whether an event name is reserved neither by Socket.IO nor by the contract."""
    return event not in RESERVED_EVENTS and event not in EVENTS
