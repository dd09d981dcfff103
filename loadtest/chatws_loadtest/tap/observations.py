"""Observations of the proxy: what was forwarded, in order, with its time on ``time.monotonic``.

They refer to a WebSocket by its number, and to no containers, so that the garbage collector need not visit them.
"""

from __future__ import annotations

import msgspec

from chatws_loadtest.tap.frame_splitter import RawFrame


class LinkOpened(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """Accepted WebSocket; ``sid`` is the session that it upgrades, or empty."""

    t: float
    link: int
    sid: str


class FrameSeen(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Forwarded frame, or a piece of one, with the size of its head as in `RawFrame`."""

    t: float
    link: int
    from_client: bool
    raw: bytes
    head_bytes: int

    @property
    def frame(self) -> RawFrame:
        return RawFrame(self.raw, self.head_bytes)


class LinkEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """End of a WebSocket, by ``client``, ``server`` or ``tap``."""

    t: float
    link: int
    by: str


class PollSeen(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """Body of a polling request or of a response; ``sid`` is empty for the handshake's response."""

    t: float
    sid: str
    from_client: bool
    body: bytes


class HttpSeen(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """Exchange that carried no packets: a page, REST, or a refused handshake."""

    t: float
    method: str
    path: str
    transport: str
    status: int
    ms: float
    error: str = ""


class FaultInjected(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """Fault that a rule injected; ``link`` is 0 for polling."""

    t: float
    link: int
    sid: str
    rule: str
    event: str


class ObservationsSkipped(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """Number of frames, bodies and exchanges that were not handed over."""

    t: float
    count: int


class TimePassed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """Time up to which the traffic has been handed over."""

    t: float


Observation = (
    LinkOpened | FrameSeen | LinkEnded | PollSeen | HttpSeen | FaultInjected | ObservationsSkipped | TimePassed
)
