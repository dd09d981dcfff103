"""The channels a server wants to hear, and which of them Redis has confirmed."""

from __future__ import annotations

import asyncio
from collections import Counter


class Subscriptions:
    """Wanted channels with a future each, done when confirmed; without I/O."""

    def __init__(self) -> None:
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._unconfirmed: Counter[str] = Counter()
        """SUBSCRIBEs under way: of a channel left and entered again only the last confirmation counts."""

    def __contains__(self, channel: str) -> bool:
        """Whether the channel is wanted."""
        return channel in self._wanted

    def want(self, channel: str) -> tuple[asyncio.Future[None], bool]:
        """Return the channel's future, and whether it is wanted only since now."""
        waiting = self._wanted.get(channel)
        if waiting is not None:
            return waiting, False
        waiting = self._wanted[channel] = asyncio.get_running_loop().create_future()
        return waiting, True

    def drop(self, channel: str) -> bool:
        """Want a channel no more; whether it was wanted."""
        waiting = self._wanted.pop(channel, None)
        if waiting is not None:
            waiting.cancel()
        return waiting is not None

    def asked(self, channels: list[str]) -> None:
        """SUBSCRIBE was sent for these."""
        self._unconfirmed.update(channels)

    def confirm(self, channel: str) -> None:
        """A SUBSCRIBE has taken effect."""
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] > 0:
            return
        del self._unconfirmed[channel]
        waiting = self._wanted.get(channel)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    @property
    def all_confirmed(self) -> bool:
        """Whether nothing is under way."""
        return not self._unconfirmed

    def lose(self) -> list[str]:
        """Take every channel as unconfirmed, because the link is gone; return them."""
        self._unconfirmed.clear()
        for channel, waiting in self._wanted.items():
            if waiting.done():
                self._wanted[channel] = asyncio.get_running_loop().create_future()
        return list(self._wanted)

    def close(self) -> None:
        """Cancel what is waited for."""
        for waiting in self._wanted.values():
            waiting.cancel()
        self._wanted.clear()
