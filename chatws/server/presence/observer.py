"""Callbacks through which presence reaches the clients of this server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from chatws.protocol.entities import Presence


class PresenceObserver(Protocol):
    """Receiver of presence changes for the clients of this server; ``room`` is a conversation's id."""

    def status_changed(self, presence: Presence, rooms: Iterable[str]) -> None:
        """Notify the members of these conversations and the inbox subscribers of a status."""

    def user_joined(self, presence: Presence, room: str) -> None:
        """Notify the other members of a conversation that a user has joined."""

    def is_hosted(self, room: str) -> bool:
        """Return whether the conversation has a member here."""

    def has_subscribers(self) -> bool:
        """Return whether a client here has subscribed to an inbox."""
