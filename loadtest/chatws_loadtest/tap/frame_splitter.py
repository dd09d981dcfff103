"""Splitter of a WebSocket byte stream into whole frames, which keep their bytes as received.

`chatws.wire.frame_parser` returns messages and ends at the first violation. A proxy has to forward frames unchanged,
and to go on behind a frame that is too large to look at. Source: RFC 6455 section 5.2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chatws.wire.frames import Opcode, apply_mask

MAX_FRAME_BYTES: Final = 1024 * 1024
"""Limit of a frame that is kept; a larger one is forwarded in pieces, and not analysed."""

_FIN: Final = 0x80
_MASKED: Final = 0x80
_TWO_BYTE_LENGTH: Final = 126
_EIGHT_BYTE_LENGTH: Final = 127
_SHORTEST_HEAD: Final = 2
_LONG_HEAD: Final = 4


class RawFrame(NamedTuple):
    """Frame, or a piece of a frame that is too large; ``head_bytes`` is 0 for a piece."""

    raw: bytes
    head_bytes: int

    @property
    def opcode(self) -> int:
        return self.raw[0] & 0x0F

    @property
    def is_whole_text(self) -> bool:
        """Whether the frame is an unfragmented, uncompressed text message."""
        return self.head_bytes > 0 and self.raw[0] == _FIN | Opcode.TEXT

    @property
    def payload(self) -> bytes:
        """Unmasked payload."""
        head = self.head_bytes
        if self.raw[1] & _MASKED:
            return apply_mask(self.raw[head:], self.raw[head - 4 : head])
        return self.raw[head:]


class FrameSplitter:
    """Splitter of one direction of a connection."""

    __slots__ = ("_buffer", "_skipping")

    def __init__(self) -> None:
        self._buffer = b""
        # Bytes that are missing of a frame that is too large.
        self._skipping = 0

    def whole_head(self, chunk: bytes) -> int:
        """Return the size of the head if received bytes are exactly one frame, as nearly always; otherwise 0.

        Such a frame need not be fed. This takes a tenth of the time of `feed`, which a proxy has for every frame.
        """
        size = len(chunk)
        if self._buffer or self._skipping or size < _LONG_HEAD:
            return 0
        second = chunk[1]
        length, head = second & 0x7F, 6 if second & _MASKED else 2
        if length == _TWO_BYTE_LENGTH:
            length, head = chunk[2] << 8 | chunk[3], head + 2
        elif length == _EIGHT_BYTE_LENGTH:
            return 0
        return head if head + length == size else 0

    def feed(self, chunk: bytes) -> list[RawFrame]:
        """Return the frames that received bytes complete, and pieces of frames that are too large."""
        buffer = self._buffer + chunk if self._buffer else chunk
        frames: list[RawFrame] = []
        at, size = 0, len(buffer)
        if self._skipping:
            at = min(self._skipping, size)
            self._skipping -= at
            frames.append(RawFrame(buffer[:at], 0))
        while size - at >= _SHORTEST_HEAD:
            second = buffer[at + 1]
            length, head = second & 0x7F, 2
            if length == _TWO_BYTE_LENGTH:
                head = 4
            elif length == _EIGHT_BYTE_LENGTH:
                head = 10
            if head > _SHORTEST_HEAD:
                if size - at < head:
                    break
                length = int.from_bytes(buffer[at + 2 : at + head], "big")
            if second & _MASKED:
                head += 4
            end = at + head + length
            if length > MAX_FRAME_BYTES:
                frames.append(RawFrame(buffer[at:end], 0))
                self._skipping = max(0, end - size)
                at = min(end, size)
                continue
            if end > size:
                break
            frames.append(RawFrame(buffer if not at and end == size else buffer[at:end], head))
            at = end
        self._buffer = buffer[at:] if at else buffer
        return frames
