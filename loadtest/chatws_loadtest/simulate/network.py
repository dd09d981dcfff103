"""Network between devices and servers: links with seeded delays, which can be cut, frozen or silently lost."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Final

from chatws_loadtest.rng import UserRng
from chatws_loadtest.simulate.virtual_loop import NO_PROCESS

SPIKE_SHARE: Final = 0.02
SPIKE_S: Final = 0.4
"""Share of the packets that are late, and their greatest delay."""

_STEP_S: Final = 1e-7
"""Least difference of the arrivals of two packets, so that no two events of a run have the same time."""


class Link:
    """One direction of a connection; packets arrive in order."""

    def __init__(
        self,
        rng: UserRng,
        receive: Callable[[object], None],
        context: contextvars.Context = NO_PROCESS,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._rng = rng
        self._base_s = 0.001 + 0.03 * rng.random()
        self._receive = receive
        self._context = context
        self._last_at = 0.0
        self._frozen_until = 0.0
        self._accepts_from = 0.0
        """Packets sent before this time are lost."""
        self._is_lost = False

    def send(self, packet: object) -> None:
        """Send a packet, which arrives after the ones before."""
        rng, now = self._rng, self._loop.time()
        delay_s = self._base_s * (1.0 + rng.random())
        if rng.random() < SPIKE_SHARE:
            delay_s += SPIKE_S * rng.random()
        self._last_at = max(self._last_at + _STEP_S, self._frozen_until + _STEP_S, now + delay_s)
        self._loop.call_at(self._last_at, self._arrive, now, packet, context=self._context)

    def freeze(self, until: float) -> None:
        """Hold packets that are sent before a time back until then."""
        self._frozen_until = max(self._frozen_until, until)

    def lose(self) -> None:
        """Lose all packets from now on."""
        self._is_lost = True

    def lose_in_flight(self) -> None:
        """Lose the packets on their way."""
        self._accepts_from = self._loop.time() + _STEP_S

    def _arrive(self, sent_at: float, packet: object) -> None:
        if not self._is_lost and sent_at >= self._accepts_from:
            self._receive(packet)
