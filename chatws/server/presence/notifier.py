"""Presence notifications for the clients of this server."""

from __future__ import annotations

from collections.abc import Iterable

from chatws.engine import Namespace
from chatws.protocol.entities import Presence
from chatws.server.connections.registry import ConnectionRegistry
from chatws.server.conversations.hub import Hub, room_name
from chatws.server.conversations.inbox import EVERY_INBOX, Inbox


class PresenceNotifier:
    """Sends presence changes to members of the conversations hosted here and to inbox subscribers."""

    def __init__(self, namespace: Namespace, registry: ConnectionRegistry, hub: Hub, inbox: Inbox) -> None:
        self._namespace = namespace
        self._registry = registry
        self._hub = hub
        self._inbox = inbox

    def status_changed(self, presence: Presence, rooms: Iterable[str]) -> None:
        """Send a status to the members of these conversations and to all inboxes."""
        self._namespace.to(EVERY_INBOX, *map(room_name, rooms)).emit("presence_update", presence)

    def user_joined(self, presence: Presence, room: str) -> None:
        """Send the status of a user who joined a conversation to its other members."""
        own = self._registry.sockets_of(presence.user_id)
        self._namespace.to(room_name(room)).except_sockets(own).emit("presence_update", presence)

    def is_hosted(self, room: str) -> bool:
        """Return whether the conversation has a member here."""
        return self._hub.get(room) is not None

    def has_subscribers(self) -> bool:
        """Return whether a client here has subscribed to an inbox."""
        return self._inbox.has_subscribers
