"""The clients of this server who see where users stand."""

from __future__ import annotations

from collections.abc import Iterable

from chatws.engine import Namespace
from chatws.protocol.entities import Presence
from chatws.server.connections.registry import ConnectionRegistry
from chatws.server.conversations.hub import Hub, room_name
from chatws.server.conversations.inbox import EVERY_INBOX, Inbox


class PresenceNotifier:
    """Members of the conversations hosted here, and followers of inboxes."""

    def __init__(self, namespace: Namespace, registry: ConnectionRegistry, hub: Hub, inbox: Inbox) -> None:
        self._namespace = namespace
        self._registry = registry
        self._hub = hub
        self._inbox = inbox

    def show_change(self, presence: Presence, rooms: Iterable[str]) -> None:
        """Tell members of these conversations, and inboxes, of a status."""
        self._namespace.to(EVERY_INBOX, *map(room_name, rooms)).emit("presence_update", presence)

    def show_arrival(self, presence: Presence, room: str) -> None:
        """Tell a conversation's other members of somebody who has joined it."""
        own = self._registry.sockets_of(presence.user_id)
        self._namespace.to(room_name(room)).except_sockets(own).emit("presence_update", presence)

    def is_hosted(self, room: str) -> bool:
        """Whether the conversation has a member here."""
        return self._hub.get(room) is not None

    def has_followers(self) -> bool:
        """Whether somebody here follows an inbox."""
        return self._inbox.has_followers
