"""Subscribed channels of a server, and their confirmations by Redis."""

from __future__ import annotations

import asyncio
from collections import Counter


class Subscriptions:
    """Subscribed channels, each with a future that resolves on its confirmation; performs no I/O."""

    def __init__(self) -> None:
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._in_flight: Counter[str] = Counter()
        """SUBSCRIBE commands in flight by channel: after a resubscription only the last confirmation counts."""

    def __contains__(self, channel: str) -> bool:
        """Return whether the channel is subscribed."""
        return channel in self._confirmed

    def add(self, channel: str) -> tuple[asyncio.Future[None], bool]:
        """Return the channel's future, and whether the subscription is new."""
        confirmed = self._confirmed.get(channel)
        if confirmed is not None:
            return confirmed, False
        confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
        return confirmed, True

    def remove(self, channel: str) -> bool:
        """Remove a subscription; return whether there was one."""
        confirmed = self._confirmed.pop(channel, None)
        if confirmed is not None:
            confirmed.cancel()
        return confirmed is not None

    def record_request(self, channels: list[str]) -> None:
        """Record that SUBSCRIBE was sent for these channels."""
        self._in_flight.update(channels)

    def confirm(self, channel: str) -> None:
        """Record the confirmation of a SUBSCRIBE."""
        self._in_flight[channel] -= 1
        if self._in_flight[channel] > 0:
            return
        del self._in_flight[channel]
        confirmed = self._confirmed.get(channel)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(None)

    @property
    def all_confirmed(self) -> bool:
        """Whether no SUBSCRIBE is in flight."""
        return not self._in_flight

    def reset(self) -> list[str]:
        """Mark every channel as unconfirmed after the connection was lost, and return the channels."""
        self._in_flight.clear()
        for channel, confirmed in self._confirmed.items():
            if confirmed.done():
                self._confirmed[channel] = asyncio.get_running_loop().create_future()
        return list(self._confirmed)

    def close(self) -> None:
        """Cancel the unconfirmed subscriptions and remove all."""
        for confirmed in self._confirmed.values():
            confirmed.cancel()
        self._confirmed.clear()
