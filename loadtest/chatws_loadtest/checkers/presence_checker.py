"""Checker of presence in one room: which peer saw that a user came online or went offline."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from typing import Final

import msgspec

from chatws_loadtest.checkers.typing_checker import BOT_USER_ID, GIVE_UP_S
from chatws_loadtest.deviations import DeviationLog
from chatws_loadtest.indicators import IndicatorCounts

OFFLINE: Final = "offline"
MAX_REMEMBERED: Final = 1_000
"""Early sightings, and users outside, that one room remembers; a server may announce every user to everyone."""


class PresenceChange(msgspec.Struct):
    """Change of one member's presence, and the bit mask of the peers that have not seen it."""

    since_s: float
    missing: int


class PresenceChecker:
    """Presence of the members of one room."""

    __slots__ = ("_denied", "_early", "_log", "_lost", "_offline", "_online", "_outsiders", "_sent")

    def __init__(self, log: DeviationLog) -> None:
        self._log = log
        self._sent = 0
        self._lost = 0
        # Members that saw a connected user as offline, by user id.
        self._denied: Counter[str] = Counter()
        # Sightings of users outside the room that may prove to be members, by user id.
        self._outsiders: Counter[str] = Counter()
        # Sightings of users that may be connecting: time, viewer and user id.
        self._early: deque[tuple[float, int, str]] = deque(maxlen=MAX_REMEMBERED)
        # Changes that peers must see, by user id.
        self._online: dict[str, PresenceChange] = {}
        self._offline: dict[str, PresenceChange] = {}

    def came_online(self, user_id: str, peers: int, now_s: float) -> None:
        """Record that a user came online, which these peers must see.

        Those that have just seen it do not have to: a server may announce a user while it authenticates it, so that
        peers receive the presence before the user receives ``authenticated``.
        """
        if not peers:
            return
        self._sent += 1
        missing = peers
        for at_s, viewer, seen_id in self._early:
            if seen_id == user_id and at_s >= now_s - GIVE_UP_S:
                missing &= ~(1 << viewer)
        if missing:
            self._online[user_id] = PresenceChange(now_s, missing)

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

    def saw_early(self, viewer: int, user_id: str, at_s: float) -> None:
        """Record that a member saw a user online for which `came_online` was not called: it may follow."""
        self._early.append((at_s, viewer, user_id))

    def record_outsider(self, user_id: str) -> None:
        """Record a status of a user outside the room: wrong unless the user proves to be a member later."""
        if user_id == BOT_USER_ID:
            return
        if user_id in self._outsiders or len(self._outsiders) < MAX_REMEMBERED:
            self._outsiders[user_id] += 1
        else:
            self._add_outsider(user_id, 1)

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

    def finish(self, now_s: float, members: Collection[str] = ()) -> IndicatorCounts:
        """Count what peers never saw, or saw wrongly; call it once, when no more events can arrive.

        ``members`` are the user ids of the room.
        """
        for change in self._online.values():
            if change.missing and now_s >= change.since_s + GIVE_UP_S:
                self._lost += 1
            elif change.missing:
                self._sent -= 1
        for user_id, count in self._denied.items():
            self._log.add("presence_wrong", "offline for a connected user", repr(user_id), count=count)
        for user_id in self._outsiders.keys() - set(members):
            self._add_outsider(user_id, self._outsiders[user_id])
        return IndicatorCounts(sent=self._sent, lost=self._lost)

    def _add_outsider(self, user_id: str, count: int) -> None:
        self._log.add("presence_wrong", "of users outside the room", repr(user_id), count=count)
