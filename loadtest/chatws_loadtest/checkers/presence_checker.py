"""Checker of presence in one room: which peer saw that a user came online or went offline."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from chatws_loadtest.checkers.typing_checker import BOT_USER_ID, GIVE_UP_S
from chatws_loadtest.deviations import DeviationLog
from chatws_loadtest.indicators import IndicatorCounts

OFFLINE: Final = "offline"


class PresenceChange(msgspec.Struct):
    """Change of one member's presence, and the bit mask of the peers that have not seen it."""

    since_s: float
    missing: int


class PresenceChecker:
    """Presence of the members of one room."""

    __slots__ = ("_denied", "_log", "_lost", "_offline", "_online", "_sent")

    def __init__(self, log: DeviationLog) -> None:
        self._log = log
        self._sent = 0
        self._lost = 0
        # Members that saw a connected user as offline, by user id.
        self._denied: Counter[str] = Counter()
        # Changes that peers must see, by user id.
        self._online: dict[str, PresenceChange] = {}
        self._offline: dict[str, PresenceChange] = {}

    def came_online(self, user_id: str, peers: int, now_s: float) -> None:
        """Record that a user came online, which these peers must see."""
        if peers:
            self._sent += 1
            self._online[user_id] = PresenceChange(now_s, peers)

    def went_offline(self, user_id: str, peers: int, now_s: float) -> None:
        """Record that a user has disconnected, and these peers must see it before `end_absence`."""
        self._offline[user_id] = PresenceChange(now_s, peers)

    def is_offline_seen(self, user_id: str) -> bool:
        """Return whether every peer has seen that the user went offline."""
        change = self._offline.get(user_id)
        return change is None or not change.missing

    def end_absence(self, user_id: str) -> None:
        """Count the peers that still see a user as online, who is about to return."""
        change = self._offline.pop(user_id, None)
        if change is not None and change.missing:
            stuck = change.missing.bit_count()
            self._log.add("presence_stuck", "still online after the disconnect", repr(user_id), count=stuck)

    def saw(self, viewer: int, user_id: str, status: str) -> float | None:
        """Record a status that a member received; return the time of the change at its first sighting."""
        changes = self._offline if status == OFFLINE else self._online
        change = changes.get(user_id)
        if change is None or not change.missing >> viewer & 1:
            return None
        change.missing &= ~(1 << viewer)
        if not change.missing and status != OFFLINE:
            del changes[user_id]
        return change.since_s

    def record_outsider(self, user_id: str) -> None:
        """Record a status of a user outside the room."""
        if user_id != BOT_USER_ID:
            self._log.add("presence_wrong", "of users outside the room", repr(user_id))

    def deny(self, user_id: str) -> None:
        """Record that a member saw a connected user as offline: wrong unless the user detects a disconnect later."""
        self._denied[user_id] += 1

    def drop(self, member: int, user_id: str) -> None:
        """Record a disconnect: the member sees nothing, and its own arrival is not judged if it was not seen."""
        self._denied.pop(user_id, None)
        self._sent -= self._online.pop(user_id, None) is not None
        bit = 1 << member
        # Not judged if the member was the last one that had to see it.
        self._sent -= sum(change.missing == bit for change in self._online.values())
        for change in (*self._online.values(), *self._offline.values()):
            change.missing &= ~bit

    def is_settled(self, now_s: float) -> bool:
        """Return whether every arrival was seen or is lost."""
        return not any(change.missing and now_s < change.since_s + GIVE_UP_S for change in self._online.values())

    def finish(self, now_s: float) -> IndicatorCounts:
        """Count what peers never saw, or saw wrongly; call it once, when no more events can arrive."""
        for change in self._online.values():
            if change.missing and now_s >= change.since_s + GIVE_UP_S:
                self._lost += 1
            elif change.missing:
                self._sent -= 1
        for user_id, count in self._denied.items():
            self._log.add("presence_wrong", "offline for a connected user", repr(user_id), count=count)
        return IndicatorCounts(sent=self._sent, lost=self._lost)
