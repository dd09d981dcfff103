"""Membership of users in conversations, consistent between the hub, typing state and presence."""

from __future__ import annotations

from chatws.server.connections.registry import Connection, ConnectionRegistry
from chatws.server.conversations.hub import Hub
from chatws.server.presence.manager import PresenceManager


class ConversationMembership:
    """Bookkeeping when a connection joins or leaves a conversation; a user may have several connections."""

    def __init__(self, hub: Hub, presence: PresenceManager, registry: ConnectionRegistry) -> None:
        self._hub = hub
        self._presence = presence
        self._registry = registry

    def is_member(self, user_id: str, conversation_id: str) -> bool:
        """Return whether a connection of the user has joined the conversation on this server."""
        return any(conversation_id in connection.joined for connection in self._registry.of_user(user_id))

    def leave(self, connection: Connection, conversation_id: str) -> None:
        """Remove a connection from a conversation; the user's typing ends with the user's last connection in it."""
        hosted = self._hub.get(conversation_id)
        connection.joined.pop(conversation_id, None)
        if hosted is not None:
            hosted.typing.end(connection.user_id, connection)
            if not self.is_member(connection.user_id, conversation_id):
                hosted.typing.forget(connection.user_id)
        self.leave_room(connection, conversation_id)

    def leave_room(self, connection: Connection, conversation_id: str) -> None:
        """Remove a connection from the room only, after a join that failed before the user was announced."""
        if self._hub.leave(connection, conversation_id):
            self._presence.room_ended(conversation_id)
