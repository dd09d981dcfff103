"""How many sessions may exist and how fast new ones may come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from chatws.engine.options import EngineOptions
from chatws.engine.origin import block_of

_RETRY_AFTER_S = 2

_Row = tuple[str, int, int]
"""A limit's name, how many there are, and how many there may be."""


class AdmissionRefused(Exception):
    """No session now; ``reason`` is a counter's name."""

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class AdmissionControl:
    """Counts sessions by address and new ones by second; costs nothing per session but its place in a counter."""

    def __init__(self, options: EngineOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._clock = clock
        self._open = 0
        self._open_by_address: Counter[str] = Counter()
        """By `block_of` the address, as below."""
        self.unadmitted = 0
        self._second = 0
        self._new = 0
        self._new_by_address: Counter[str] = Counter()
        # Set by the drain: what Retry-After says from then on.
        self._closed_for_s: int | None = None

    def refuse_new(self, retry_after_s: int) -> None:
        """Refuse every new session from now on."""
        self._closed_for_s = retry_after_s

    def enter(self, address: str) -> None:
        """Take a place for a new session; ``admitted`` and ``leave`` give it back.

        Raises:
            Refused: draining, or a limit is reached.
        """
        if self._closed_for_s is not None:
            raise AdmissionRefused("draining", self._closed_for_s)
        self._start_second()
        block = block_of(address)
        reason = _first_reached((*self._places(block), *self._pace(block)))
        if reason is not None:
            raise AdmissionRefused(reason, _RETRY_AFTER_S)
        self._new += 1
        self._new_by_address[block] += 1
        self._open += 1
        self._open_by_address[block] += 1
        self.unadmitted += 1

    def admitted(self) -> None:
        """Count a session that is now known to be somebody."""
        self.unadmitted -= 1

    def again(self, address: str) -> None:
        """Count a session that connects once more, which asks as much of the program as a new one.

        Raises:
            Refused: too many this second.
        """
        self._start_second()
        block = block_of(address)
        reason = _first_reached(self._pace(block))
        if reason is not None:
            raise AdmissionRefused(reason, _RETRY_AFTER_S)
        self._new += 1
        self._new_by_address[block] += 1

    def leave(self, address: str, *, was_admitted: bool) -> None:
        """Give a session's place back."""
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

    def _places(self, block: str) -> tuple[_Row, ...]:
        options = self._options
        return (
            ("max_sessions", self._open, options.max_sessions),
            ("max_sessions_per_address", self._open_by_address[block], options.max_sessions_per_address),
            ("max_unadmitted", self.unadmitted, options.max_unadmitted),
        )

    def _pace(self, block: str) -> tuple[_Row, ...]:
        options = self._options
        return (
            ("new_sessions_per_s", self._new, options.new_sessions_per_s),
            ("new_sessions_per_address_per_s", self._new_by_address[block], options.new_sessions_per_address_per_s),
        )


def _first_reached(rows: tuple[_Row, ...]) -> str | None:
    return next((reason for reason, count, limit in rows if limit and count >= limit), None)
