"""Names and presence of the users the server has reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_cli.presentation.sanitize import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatws.protocol.entities import Presence, PresenceStatus, Role, User

ROLE_LABELS: dict[Role, str] = {"admin": "agent", "customer": "customer", "bot": "bot"}
DOTS: dict[PresenceStatus, str] = {"online": "●", "away": "◐", "busy": "⊘", "offline": "○"}
"""Presence in one column; the shapes differ, so colour is not needed to distinguish them."""

_UNKNOWN = "an agent"
"""A conversation's customer always has a known name, so a user without one is an agent."""


class Users:
    """Users by id, with names that are safe to print."""

    def __init__(self, own_id: str) -> None:
        self.own_id = own_id
        self._names: dict[str, str] = {}
        self._presence: dict[str, PresenceStatus] = {}

    def add(self, user: User) -> str:
        """Store a user's name and return it, safe to print."""
        name = clean_line(user.user_name) or user.user_id
        self._names[user.user_id] = name
        return name

    def add_if_unknown(self, user_id: str, name: str) -> str:
        """Store a name unless the user has one; return the stored name."""
        return self._names.setdefault(user_id, clean_line(name))

    def label(self, user: User) -> str:
        """Return the author label of a message: name and role; a name like "Customer 6567" already states the role."""
        if user.user_id == self.own_id:
            return "you"
        name, role = self.add(user), ROLE_LABELS[user.role]
        return name if name.casefold().split()[:1] == [role] else f"{name} ({role})"

    def name(self, user_id: str) -> str:
        """Return a user's name. Presence and read marks carry ids only."""
        return "you" if user_id == self.own_id else self._names.get(user_id, _UNKNOWN)

    def set_presence(self, presence: Presence) -> bool:
        """Store a user's presence; return whether it is a change of another user's presence to report."""
        known = self._presence.get(presence.user_id)
        self._presence[presence.user_id] = presence.status
        is_reported = known != presence.status and (known is not None or presence.status != "offline")
        return is_reported and presence.user_id != self.own_id

    def presence(self, user_id: str) -> PresenceStatus:
        """Return a user's presence; the server does not report users who are offline from the start."""
        return self._presence.get(user_id, "offline")

    def presences(self) -> Mapping[str, PresenceStatus]:
        """Return every reported presence by user id."""
        return self._presence

    def own_presence(self) -> PresenceStatus:
        """Return the presence that others see of this user."""
        return self._presence.get(self.own_id, "online")
