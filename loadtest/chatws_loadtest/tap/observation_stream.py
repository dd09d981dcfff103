"""Stream from the proxy to the analysis: batches of observations, in MessagePack behind their length."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque
from typing import Final

import msgspec

from chatws_loadtest.tap.observations import (
    FaultInjected,
    FrameSeen,
    HttpSeen,
    LinkEnded,
    LinkOpened,
    Observation,
    ObservationsSkipped,
    PollSeen,
    TimePassed,
)

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bound of what the kernel has not taken for the analysis: half a minute of 4,000 frames a second."""

RESERVED_BYTES: Final = 4 * 1024 * 1024
"""Space beyond it for the starts and ends of connections, without which later frames cannot be understood."""

BATCH_BYTES: Final = 128 * 1024
"""Size at which a batch is sent before its time, so that its encoding does not hold up the proxy for long."""

KERNEL_BYTES: Final = 1024 * 1024
"""Requested size of the socket's buffer; Linux grants 200 KiB by default, that is 150 ms of 4,000 frames a second."""

OVERHEAD_BYTES: Final = 48
"""Size that an observation is counted with, beside the bytes that it carries."""

END_TIMEOUT_S: Final = 2.0
END_POLL_S: Final = 0.01
_LENGTH_BYTES: Final = 4


def open_stream() -> tuple[int, int]:
    """Return the reading and the writing end.

    They are sockets: the reader of a pipe holds its lock while it copies, and if the kernel suspends it in between,
    even a writer that does not block has to wait for a process of the lowest priority.
    """
    reading, writing = socket.socketpair()
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
    return reading.detach(), writing.detach()


class ObservationWriter:
    """Writing end, which never blocks the proxy: what does not fit is counted, and a later observation says so.

    Once the reading end is closed, it discards everything.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)
        self._encode = msgspec.msgpack.Encoder().encode
        self._batch: list[Observation] = []
        self._batch_bytes = 0
        # Encoded batches that the socket has not taken yet.
        self._unsent: deque[memoryview] = deque()
        self._unsent_bytes = 0
        self._skipped = 0
        self._is_broken = False

    @property
    def is_full(self) -> bool:
        """Whether the socket has not taken everything, so that `send` should be called again soon."""
        return bool(self._unsent)

    def add_frame(self, t: float, link: int, from_client: bool, raw: bytes, head_bytes: int) -> None:  # noqa: FBT001 - once per frame
        """Add a frame, unless the bound is reached."""
        size = len(raw) + OVERHEAD_BYTES
        if self._has_space(size, MAX_BYTES):
            self._add(FrameSeen(t, link, from_client, raw, head_bytes), size)

    def add_poll(self, poll: PollSeen) -> None:
        """Add a body, unless the bound is reached."""
        size = len(poll.body) + OVERHEAD_BYTES
        if self._has_space(size, MAX_BYTES):
            self._add(poll, size)

    def add_http(self, seen: HttpSeen) -> None:
        """Add an exchange without packets, unless the bound is reached."""
        size = len(seen.path) + OVERHEAD_BYTES
        if self._has_space(size, MAX_BYTES):
            self._add(seen, size)

    def add(self, observation: LinkOpened | LinkEnded | FaultInjected) -> None:
        """Add a rare observation, which may use the reserved space."""
        if self._has_space(OVERHEAD_BYTES, MAX_BYTES + RESERVED_BYTES):
            self._add(observation, OVERHEAD_BYTES)

    def send(self, now: float) -> None:
        """Send what was added, and that it is everything up to now; called regularly."""
        if self._unsent:
            self._write()
        if self._is_broken:
            self._batch.clear()
            self._batch_bytes = self._skipped = 0
            return
        if self._unsent and not self._batch:
            return  # the bound holds for a stopped analysis, too
        if self._skipped and self._batch_bytes + self._unsent_bytes <= MAX_BYTES // 2:
            self._batch.append(ObservationsSkipped(now, self._skipped))
            self._skipped = 0
        self._batch.append(TimePassed(now))
        encoded = self._encode(self._batch)
        self._batch.clear()
        self._batch_bytes = 0
        message = len(encoded).to_bytes(_LENGTH_BYTES, "big") + encoded
        self._unsent.append(memoryview(message))
        self._unsent_bytes += len(message)
        self._write()

    async def close(self) -> None:
        """Send the rest, as far as the analysis reads it within a bounded time, and close the descriptor."""
        end_s = time.monotonic() + END_TIMEOUT_S
        self.send(time.monotonic())
        while (self._unsent or self._skipped) and not self._is_broken and time.monotonic() < end_s:
            await asyncio.sleep(END_POLL_S)
            self.send(time.monotonic())
        os.close(self._descriptor)

    def abandon(self) -> None:
        """Close the descriptor of a proxy that did not start."""
        os.close(self._descriptor)

    def _has_space(self, size: int, limit: int) -> bool:
        if self._batch_bytes + self._unsent_bytes + size <= limit:
            return True
        self._skipped += 1
        return False

    def _add(
        self, observation: LinkOpened | FrameSeen | LinkEnded | PollSeen | HttpSeen | FaultInjected, size: int
    ) -> None:
        self._batch.append(observation)
        self._batch_bytes += size
        if self._batch_bytes >= BATCH_BYTES:
            self.send(observation.t)

    def _write(self) -> None:
        try:
            while self._unsent:
                first = self._unsent[0]
                written = os.write(self._descriptor, first)
                self._unsent_bytes -= written
                if written < len(first):
                    self._unsent[0] = first[written:]
                else:
                    self._unsent.popleft()
        except BlockingIOError:
            pass  # `send` tries again
        except ConnectionError:
            self._is_broken = True
            self._unsent.clear()
            self._unsent_bytes = 0


class ObservationDecoder:
    """Reader of the batches in the bytes of a stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._decode = msgspec.msgpack.Decoder(list[Observation]).decode

    def feed(self, chunk: bytes) -> list[Observation]:
        """Return the observations that received bytes complete."""
        self._buffer += chunk
        observations: list[Observation] = []
        at = 0
        with memoryview(self._buffer) as view:
            while len(view) - at >= _LENGTH_BYTES:
                start = at + _LENGTH_BYTES
                end = start + int.from_bytes(view[at:start], "big")
                if end > len(view):
                    break
                observations += self._decode(view[start:end])
                at = end
        del self._buffer[:at]
        return observations
