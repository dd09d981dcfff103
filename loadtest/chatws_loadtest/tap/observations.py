"""Bounded queue from the proxy to the analysis: what was forwarded, in order, with its time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, NamedTuple

from chatws_loadtest.tap.frame_splitter import RawFrame

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_OBSERVATIONS: Final = 50_000
"""Bounds of the queue; at 4,000 frames a second it holds the traffic of 12 s."""


class TappedWebSocket:
    """WebSocket through the tap; ``sid`` is the session that it upgrades, or empty."""

    __slots__ = ("sid",)

    def __init__(self, sid: str) -> None:
        self.sid = sid


class LinkOpened(NamedTuple):
    """Accepted WebSocket."""

    t: float
    link: TappedWebSocket


class FrameSeen(NamedTuple):
    """Forwarded frame."""

    t: float
    link: TappedWebSocket
    from_client: bool
    frame: RawFrame


class LinkEnded(NamedTuple):
    """End of a WebSocket, by ``client``, ``server`` or ``tap``."""

    t: float
    link: TappedWebSocket
    by: str


class PollSeen(NamedTuple):
    """Body of a polling request or of a response; ``sid`` is empty for the handshake's response."""

    t: float
    sid: str
    from_client: bool
    body: bytes


class HttpSeen(NamedTuple):
    """Exchange that carried no packets: a page, REST, or a refused handshake."""

    t: float
    method: str
    path: str
    transport: str
    status: int
    ms: float
    error: str = ""


class FaultInjected(NamedTuple):
    """Fault that a rule injected; ``link`` is None for polling."""

    t: float
    link: TappedWebSocket | None
    sid: str
    rule: str
    event: str


Observation = LinkOpened | FrameSeen | LinkEnded | PollSeen | HttpSeen | FaultInjected


class ObservationQueue:
    """Queue that never blocks the proxy: a frame or body that does not fit is counted, and skipped."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_observations: int = MAX_OBSERVATIONS) -> None:
        self._max_bytes = max_bytes
        self._max_observations = max_observations
        self._items: deque[Observation] = deque()
        self._bytes = 0
        self._skipped = 0
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def add_frame(self, t: float, link: TappedWebSocket, from_client: bool, frame: RawFrame) -> None:  # noqa: FBT001 - once per frame
        """Add a frame, unless the queue is full."""
        if self._fits(len(frame.raw)):
            self.add(FrameSeen(t, link, from_client, frame))

    def add_poll(self, poll: PollSeen) -> None:
        """Add a body, unless the queue is full."""
        if self._fits(len(poll.body)):
            self.add(poll)

    def add(self, observation: Observation) -> None:
        """Add a rare observation, which is never skipped."""
        self._items.append(observation)
        self._arrived.set()

    def take(self) -> Observation | None:
        """Remove and return the oldest observation; None if there is none."""
        if not self._items:
            self._arrived.clear()
            return None
        oldest = self._items.popleft()
        if type(oldest) is FrameSeen:
            self._bytes -= len(oldest.frame.raw)
        elif type(oldest) is PollSeen:
            self._bytes -= len(oldest.body)
        return oldest

    def take_skipped(self) -> int:
        """Return the number of frames and bodies skipped since the last call."""
        skipped, self._skipped = self._skipped, 0
        return skipped

    async def wait(self) -> None:
        """Wait until there is an observation."""
        await self._arrived.wait()

    def _fits(self, size: int) -> bool:
        if self._bytes + size > self._max_bytes or len(self._items) >= self._max_observations:
            self._skipped += 1
            return False
        self._bytes += size
        return True
