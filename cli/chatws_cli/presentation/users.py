"""Who is who, and how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_cli.presentation.sanitize import clean_line

if TYPE_CHECKING:
    from chatws.protocol.entities import Presence, PresenceStatus, Role, User

ROLE_LABELS: dict[Role, str] = {"admin": "agent", "customer": "customer", "bot": "bot"}
DOTS: dict[PresenceStatus, str] = {"online": "●", "away": "◐", "busy": "⊘", "offline": "○"}
"""Presence in one column; the shapes differ, so colour is not needed to tell them apart."""

_STRANGER = "an agent"


class Users:
    """Names and presence of everybody the server has told of."""

    def __init__(self, own_id: str) -> None:
        self._own_id = own_id
        self._names: dict[str, str] = {}
        self._presence: dict[str, PresenceStatus] = {}

    def meet(self, user: User) -> str:
        """Remember a name and return it, safe to show."""
        name = clean_line(user.user_name) or user.user_id
        self._names[user.user_id] = name
        return name

    def label(self, user: User) -> str:
        """Say who wrote something."""
        return "you" if user.user_id == self._own_id else f"{self.meet(user)} ({ROLE_LABELS[user.role]})"

    def name(self, user_id: str) -> str:
        """Return a name; presence and read marks come without one, and a customer's is always known."""
        return "you" if user_id == self._own_id else self._names.get(user_id, _STRANGER)

    def note(self, presence: Presence) -> bool:
        """Remember a presence; whether it is news about somebody else."""
        known = self._presence.get(presence.user_id)
        self._presence[presence.user_id] = presence.status
        is_news = known != presence.status and (known is not None or presence.status != "offline")
        return is_news and presence.user_id != self._own_id

    def presence(self, user_id: str) -> PresenceStatus:
        """Return where somebody stands; nobody has said anything of an offline user."""
        return self._presence.get(user_id, "offline")

    def own_presence(self) -> PresenceStatus:
        """Return how others see us."""
        return self._presence.get(self._own_id, "online")
