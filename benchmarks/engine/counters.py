"""Counters of one load: the ack and the deliveries of every message, their order, and their latencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from benchmarks.common.schedule import clock_s

FIRST_NUMBER: Final = 10_000_000
"""Numbers of messages have eight digits and are higher than the ids of all other acks."""


class DeliveryErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of messages and deliveries that failed.

    ``disordered`` counts deliveries that were repeated, or came after a later message.
    """

    unanswered: int = 0
    refused: int = 0
    undelivered: int = 0
    disordered: int = 0

    @property
    def any(self) -> bool:
        return bool(self.unanswered or self.refused or self.undelivered or self.disordered)


class DeliveryCounters:
    """Counts messages by number; latencies are in microseconds and count from the scheduled time of sending."""

    def __init__(self) -> None:
        self.acked = 0
        self.delivered = 0
        self.ack_us: list[int] = []
        self.peer_us: list[int] = []
        self.lag_us: list[int] = []
        self.on_ack: Callable[[], None] = _do_nothing
        """Called after each ack; a closed loop sends its next message then."""
        self._scheduled_s: list[float] = []
        self._expected_deliveries = 0
        self._answered = 0
        self._refused = 0
        self._disordered = 0

    def send(self, scheduled_s: float, receivers: int) -> int:
        """Count a message sent now to this many members of its room, and return its number."""
        number = FIRST_NUMBER + len(self._scheduled_s)
        self._scheduled_s.append(scheduled_s)
        self._expected_deliveries += receivers
        self.lag_us.append(round((clock_s() - scheduled_s) * 1e6))
        return number

    def ack(self, number: int, *, success: bool) -> None:
        """Count an ack."""
        self._answered += 1
        if success:
            self.acked += 1
            self.ack_us.append(self._age_us(number))
        else:
            self._refused += 1
        self.on_ack()

    def deliver(self, number: int, *, in_order: bool, is_echo: bool) -> None:
        """Count a delivery to a member; the latency of the echo to the sender is not recorded."""
        self.delivered += 1
        if not in_order:
            self._disordered += 1
        if not is_echo:
            self.peer_us.append(self._age_us(number))

    def clear_latencies(self) -> None:
        """Discard the latencies of the warm-up: the measured window begins."""
        self.ack_us, self.peer_us, self.lag_us = [], [], []

    def is_settled(self) -> bool:
        """Return whether every message has its ack and all its deliveries."""
        return self._answered == len(self._scheduled_s) and self.delivered >= self._expected_deliveries

    def errors(self) -> DeliveryErrors:
        """Count the errors; valid once no more acks and deliveries are expected."""
        return DeliveryErrors(
            unanswered=len(self._scheduled_s) - self._answered,
            refused=self._refused,
            undelivered=max(0, self._expected_deliveries - self.delivered),
            disordered=self._disordered,
        )

    def _age_us(self, number: int) -> int:
        return round((clock_s() - self._scheduled_s[number - FIRST_NUMBER]) * 1e6)


def _do_nothing() -> None:
    return None
