"""The account of one load: every message's ack and deliveries, their order, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

FIRST_NUMBER: Final = 10_000_000
"""Numbers of messages have eight digits, and are above the ids of all other acks."""

clock_s = time.perf_counter


class DeliveryErrors(msgspec.Struct, frozen=True, kw_only=True):
    """What must not happen; deliveries are ``disordered`` when they come twice or after a later one."""

    unanswered: int = 0
    refused: int = 0
    undelivered: int = 0
    disordered: int = 0

    @property
    def any(self) -> bool:
        return bool(self.unanswered or self.refused or self.undelivered or self.disordered)


class DeliveryCounters:
    """Books messages by number; latencies count from the intended time of sending, in microseconds."""

    def __init__(self) -> None:
        self.acked = 0
        self.delivered = 0
        self.ack_us: list[int] = []
        self.peer_us: list[int] = []
        self.lag_us: list[int] = []
        self.on_answer: Callable[[], None] = _nothing
        """Called after each ack: a closed loop sends its next message."""
        self._intended_s: list[float] = []
        self._due = 0
        self._answered = 0
        self._refused = 0
        self._disordered = 0

    def send(self, intended_s: float, receivers: int) -> int:
        """Book a message that leaves now, to so many members of its room, and return its number."""
        number = FIRST_NUMBER + len(self._intended_s)
        self._intended_s.append(intended_s)
        self._due += receivers
        self.lag_us.append(round((clock_s() - intended_s) * 1e6))
        return number

    def answer(self, number: int, *, success: bool) -> None:
        """Book an ack."""
        self._answered += 1
        if success:
            self.acked += 1
            self.ack_us.append(self._age_us(number))
        else:
            self._refused += 1
        self.on_answer()

    def deliver(self, number: int, *, in_order: bool, is_echo: bool) -> None:
        """Book a copy that reached a member; the sender's own is an echo, and not timed."""
        self.delivered += 1
        if not in_order:
            self._disordered += 1
        if not is_echo:
            self.peer_us.append(self._age_us(number))

    def forget_times(self) -> None:
        """Begin the measured window: what was timed so far was the warm-up."""
        self.ack_us, self.peer_us, self.lag_us = [], [], []

    def is_settled(self) -> bool:
        """Whether every message is answered, and with everybody."""
        return self._answered == len(self._intended_s) and self.delivered >= self._due

    def faults(self) -> DeliveryErrors:
        """Count what went wrong; call it once nothing more can arrive."""
        return DeliveryErrors(
            unanswered=len(self._intended_s) - self._answered,
            refused=self._refused,
            undelivered=max(0, self._due - self.delivered),
            disordered=self._disordered,
        )

    def _age_us(self, number: int) -> int:
        return round((clock_s() - self._intended_s[number - FIRST_NUMBER]) * 1e6)


def _nothing() -> None:
    return None
