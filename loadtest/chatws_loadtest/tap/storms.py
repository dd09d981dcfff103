"""Detector of reconnect storms: many connections at once after an outage, or one user that hammers."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

STORM_ATTEMPTS: Final = 20
STORM_WINDOW_S: Final = 1.0
"""This many attempts within the window are a storm, if as many connections have ended shortly before."""

ENDED_WINDOW_S: Final = 30.0
USER_RECONNECTS: Final = 5
USER_WINDOW_S: Final = 10.0
"""A user that reconnects this often within the window hammers."""

QUIET_S: Final = 10.0
"""Time in which a storm is reported once."""

MAX_USERS: Final = 10_000


@dataclass(slots=True)
class _UserCounts:
    """Reconnects of one user, and ended connections that no later one has replaced."""

    reconnects: deque[float] = field(default_factory=lambda: deque(maxlen=USER_RECONNECTS))
    ended: int = 0
    quiet_until: float = 0.0


class StormDetector:
    """Counter of attempts and ends; the methods return the detail of a flag, or an empty string."""

    def __init__(self) -> None:
        self._attempts: deque[float] = deque(maxlen=STORM_ATTEMPTS)
        self._ended: deque[float] = deque(maxlen=STORM_ATTEMPTS)
        self._users: OrderedDict[str, _UserCounts] = OrderedDict()
        self._quiet_until = 0.0

    def attempt(self, now: float) -> str:
        """Count an attempt to connect."""
        self._attempts.append(now)
        is_storm = len(self._attempts) == STORM_ATTEMPTS and now - self._attempts[0] <= STORM_WINDOW_S
        has_cause = len(self._ended) == STORM_ATTEMPTS and now - self._ended[0] <= ENDED_WINDOW_S
        if not (is_storm and has_cause) or now < self._quiet_until:
            return ""
        self._quiet_until = now + QUIET_S
        return f"{STORM_ATTEMPTS} attempts in {now - self._attempts[0]:.2f} s"

    def ended(self, now: float) -> None:
        """Count a connection that ended, or was refused."""
        self._ended.append(now)

    def user_ended(self, user: str) -> None:
        """Count a connection of a user that ended: the next one is a reconnect, and not one of several at once."""
        self._user(user).ended += 1

    def identified(self, user: str, now: float) -> str:
        """Count a connection of a user."""
        counts = self._user(user)
        if not counts.ended:
            return ""
        counts.ended -= 1
        times = counts.reconnects
        times.append(now)
        hammers = len(times) == USER_RECONNECTS and now - times[0] <= USER_WINDOW_S
        if not hammers or now < counts.quiet_until:
            return ""
        counts.quiet_until = now + QUIET_S
        return f"{USER_RECONNECTS} reconnects of one user in {now - times[0]:.1f} s"

    def _user(self, user: str) -> _UserCounts:
        counts = self._users.setdefault(user, _UserCounts())
        self._users.move_to_end(user)
        if len(self._users) > MAX_USERS:
            self._users.popitem(last=False)
        return counts
