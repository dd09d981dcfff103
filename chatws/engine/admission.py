"""Admission control: limits on open sessions and on the rate of new ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from chatws.engine.options import EngineOptions
from chatws.engine.origin import block_of

_RETRY_AFTER_S = 2

_Limit = tuple[str, int, int]
"""Name, current count and maximum."""


class AdmissionRefused(Exception):
    """Refusal of a new session; ``reason`` is the label of a counter."""

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class AdmissionControl:
    """Counters of the open sessions and of those opened in the current second, in total and per address."""

    def __init__(self, options: EngineOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._clock = clock
        self._open = 0
        # By ``block_of`` the address, like ``_new_by_address``.
        self._open_by_address: Counter[str] = Counter()
        self.unadmitted = 0
        """Number of open sessions that were never admitted."""
        self._second = 0
        self._new = 0
        self._new_by_address: Counter[str] = Counter()
        # Set by ``refuse_new``.
        self._retry_after_s: int | None = None

    @property
    def open_count(self) -> int:
        """Number of open sessions."""
        return self._open

    def refuse_new(self, retry_after_s: int) -> None:
        """Refuse every new session from now on."""
        self._retry_after_s = retry_after_s

    def acquire(self, address: str) -> None:
        """Take a slot for a new session, until ``release``.

        Raises:
            AdmissionRefused: the server drains, or a limit is reached.
        """
        if self._retry_after_s is not None:
            raise AdmissionRefused("draining", self._retry_after_s)
        self._start_second()
        block = block_of(address)
        reason = _first_reached((*self._count_limits(block), *self._rate_limits(block)))
        if reason is not None:
            raise AdmissionRefused(reason, _RETRY_AFTER_S)
        self._new += 1
        self._new_by_address[block] += 1
        self._open += 1
        self._open_by_address[block] += 1
        self.unadmitted += 1

    def mark_admitted(self) -> None:
        """Free the slot of ``max_unadmitted`` of a session that is now authenticated."""
        self.unadmitted -= 1

    def count_reconnect(self, address: str) -> None:
        """Count a session that connects to a namespace again, which costs the program as much as a new session.

        Raises:
            AdmissionRefused: too many new sessions in this second.
        """
        self._start_second()
        block = block_of(address)
        reason = _first_reached(self._rate_limits(block))
        if reason is not None:
            raise AdmissionRefused(reason, _RETRY_AFTER_S)
        self._new += 1
        self._new_by_address[block] += 1

    def release(self, address: str, *, was_admitted: bool) -> None:
        """Free the slot of a closed session."""
        self._open -= 1
        block = block_of(address)
        self._open_by_address[block] -= 1
        if not self._open_by_address[block]:
            del self._open_by_address[block]
        if not was_admitted:
            self.unadmitted -= 1

    def _start_second(self) -> None:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._new = 0
            self._new_by_address.clear()

    def _count_limits(self, block: str) -> tuple[_Limit, ...]:
        options = self._options
        return (
            ("max_sessions", self._open, options.max_sessions),
            ("max_sessions_per_address", self._open_by_address[block], options.max_sessions_per_address),
            ("max_unadmitted", self.unadmitted, options.max_unadmitted),
        )

    def _rate_limits(self, block: str) -> tuple[_Limit, ...]:
        options = self._options
        return (
            ("new_sessions_per_s", self._new, options.new_sessions_per_s),
            ("new_sessions_per_address_per_s", self._new_by_address[block], options.new_sessions_per_address_per_s),
        )


def _first_reached(limits: tuple[_Limit, ...]) -> str | None:
    return next((name for name, count, maximum in limits if maximum and count >= maximum), None)
