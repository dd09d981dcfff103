"""Incremental parser of WebSocket frames: bytes in chunks of any size to messages and control frames.

Source: RFC 6455 sections 5.2 to 5.5 and 8.1; extensions are never negotiated, so the reserved bits are always zero.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from chatws.wire.errors import CloseCode, FrameError, ViolationKind
from chatws.wire.frames import MAX_CONTROL_BYTES, Opcode, apply_mask

_OPCODES: dict[int, Opcode] = {member.value: member for member in Opcode}
_WHOLE_TEXT = 0x80 | Opcode.TEXT
_MASKED = 0x80
_MASKED_HEAD_BYTES = 6
"""Shortest header of a masked frame."""
_TWO_BYTE_LENGTH = 126
_FIRST_PRIVATE_CODE = 3000
_LAST_PRIVATE_CODE = 4999
_STANDARD_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class Role(Enum):
    """End of the connection that parses: a server receives masked frames only, a client unmasked ones only."""

    SERVER = "server"
    CLIENT = "client"


class FrameMessage(NamedTuple):
    """One message or control frame; ``payload`` is text for TEXT and bytes otherwise."""

    opcode: Opcode
    payload: str | bytes


class CloseStatus(NamedTuple):
    """Code and reason of a close frame; 1005 if it has none."""

    code: int
    reason: str


class _Head(NamedTuple):
    """Header of a frame, with the start and end of its payload in the buffer."""

    is_last: bool
    opcode: Opcode
    mask: bytes
    start: int
    end: int


class FrameParser:
    """Parser of the bytes of one connection; after an error every further call returns or raises the same error."""

    __slots__ = ("_buffer", "_error", "_fragments", "_masked", "_max_message_bytes", "_message_opcode")

    def __init__(self, role: Role, *, max_message_bytes: int) -> None:
        self._masked = role is Role.SERVER
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        # Set between the first and the last frame of a fragmented message.
        self._message_opcode: Opcode | None = None
        self._fragments = bytearray()
        # Set by the first error.
        self._error: FrameError | None = None

    def feed(self, chunk: bytes) -> list[FrameMessage]:
        """Parse received bytes and return the messages that they complete; an error discards the messages before it.

        Raises:
            FrameError: the peer violated the protocol; ``close_code`` is the answer to it.
        """
        messages, error = self.read(chunk)
        if error is not None:
            raise error
        return messages

    def take_texts(self, chunk: bytes) -> list[str] | None:
        """Parse received bytes if they are whole text frames of a server, as in nearly all reads of a client.

        Return None for other bytes: ``read`` or ``feed`` has to parse them, which takes three times as long.
        """
        if self._masked or self._buffer or self._error is not None or self._message_opcode is not None:
            return None
        texts = []
        at, received = 0, len(chunk)
        while at < received:
            if received - at < 4 or chunk[at] != _WHOLE_TEXT:
                return None
            size, start = chunk[at + 1], at + 2
            if size == _TWO_BYTE_LENGTH:
                size, start = chunk[at + 2] << 8 | chunk[at + 3], at + 4
            elif size > _TWO_BYTE_LENGTH:
                return None
            at = start + size
            if at > received or size > self._max_message_bytes:
                return None
            try:
                texts.append(chunk[start:at].decode())
            except UnicodeDecodeError:
                return None
        return texts

    def take_text(self, chunk: bytes) -> str | None:
        """Parse received bytes if they are one whole text frame of a client, as in nearly all reads of a server.

        Return None for other bytes: ``read`` or ``feed`` has to parse them, which takes three times as long.
        """
        received = len(chunk)
        if received < _MASKED_HEAD_BYTES or chunk[0] != _WHOLE_TEXT or not self._masked:
            return None
        if self._buffer or self._error is not None or self._message_opcode is not None:
            return None
        size, start = chunk[1] ^ _MASKED, _MASKED_HEAD_BYTES
        if size == _TWO_BYTE_LENGTH:
            size, start = chunk[2] << 8 | chunk[3], start + 2
        elif size > _TWO_BYTE_LENGTH:
            return None
        if start + size != received or size > self._max_message_bytes:
            return None
        try:
            return apply_mask(chunk[start:], chunk[start - 4 : start]).decode()
        except UnicodeDecodeError:
            return None

    def read(self, chunk: bytes) -> tuple[list[FrameMessage], FrameError | None]:
        """Parse received bytes; return the messages that they complete, and the error behind these if there is one."""
        messages: list[FrameMessage] = []
        if self._error is None:
            self._buffer += chunk
            try:
                self._read_messages(messages)
            except FrameError as error:
                self._error = error.with_traceback(None)  # a traceback would keep the parser alive
                self._buffer.clear()
                self._fragments.clear()
        return messages, self._error

    def _read_messages(self, messages: list[FrameMessage]) -> None:
        at = 0
        while (whole := self._read_whole_text(at)) is not None:
            text, at = whole
            messages.append(FrameMessage(Opcode.TEXT, text))
        while (head := self._read_head(at)) is not None and head.end <= len(self._buffer):
            payload = bytes(self._buffer[head.start : head.end])
            if head.mask:
                payload = apply_mask(payload, head.mask)
            message = self._accept(head, payload)
            if message is not None:
                messages.append(message)
            at = head.end
        del self._buffer[:at]

    def _read_whole_text(self, at: int) -> tuple[str, int] | None:
        """Read an unfragmented text frame, as nearly all traffic is; return its text and the start of the next frame.

        Return None for everything else, which ``_read_head`` handles.
        """
        buffer = self._buffer
        if len(buffer) < at + 4 or buffer[at] != _WHOLE_TEXT or self._message_opcode is not None:
            return None
        size, start = buffer[at + 1], at + 2
        if self._masked:
            size ^= _MASKED
        if size == _TWO_BYTE_LENGTH:
            size, start = buffer[at + 2] << 8 | buffer[at + 3], at + 4
        elif size > _TWO_BYTE_LENGTH:
            return None
        mask_at = start
        if self._masked:
            start += 4
        end = start + size
        if end > len(buffer) or size > self._max_message_bytes:
            return None
        payload = buffer[start:end]
        return _decode_text(apply_mask(payload, buffer[mask_at:start]) if self._masked else payload), end

    def _read_head(self, at: int) -> _Head | None:
        """Read the frame header at ``at``; return None if bytes are missing."""
        buffer = self._buffer
        if len(buffer) < at + 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        opcode = _OPCODES.get(first & 0x0F)
        if opcode is None or first & 0x70:
            raise FrameError(ViolationKind.MALFORMED, "unknown opcode or reserved bits set")
        if bool(second & 0x80) is not self._masked:
            raise FrameError(ViolationKind.MALFORMED, "frame is masked by the wrong end")
        length_bytes = {126: 2, 127: 8}.get(second & 0x7F, 0)
        mask_at = at + 2 + length_bytes
        start = mask_at + (4 if self._masked else 0)
        if len(buffer) < start:
            return None
        size = int.from_bytes(buffer[at + 2 : mask_at], "big") if length_bytes else second & 0x7F
        head = _Head(bool(first & 0x80), opcode, bytes(buffer[mask_at:start]), start, start + size)
        self._check_size(head, size)
        return head

    def _check_size(self, head: _Head, size: int) -> None:
        if head.opcode >= Opcode.CLOSE:
            if size > MAX_CONTROL_BYTES or not head.is_last:
                raise FrameError(ViolationKind.MALFORMED, "control frame is too long or fragmented")
        elif size + len(self._fragments) > self._max_message_bytes:
            raise FrameError(ViolationKind.OVERSIZE, "message is too large")

    def _accept(self, head: _Head, payload: bytes) -> FrameMessage | None:
        if head.opcode >= Opcode.CLOSE:
            return FrameMessage(head.opcode, payload)
        if (head.opcode is Opcode.CONTINUATION) is (self._message_opcode is None):
            raise FrameError(ViolationKind.MALFORMED, "fragments out of order")
        opcode = self._message_opcode or head.opcode
        if not head.is_last:
            self._message_opcode = opcode
            self._fragments += payload
            return None
        if self._fragments:
            payload = bytes(self._fragments) + payload
            self._fragments.clear()
        self._message_opcode = None
        return FrameMessage(opcode, _decode_text(payload) if opcode is Opcode.TEXT else payload)


def parse_close(payload: bytes) -> CloseStatus:
    """Decode the payload of a close frame.

    Raises:
        FrameError: it is one byte long, its code must not be sent, or its reason is not UTF-8.
    """
    if not payload:
        return CloseStatus(CloseCode.NO_STATUS, "")
    code = int.from_bytes(payload[:2], "big")
    is_private = _FIRST_PRIVATE_CODE <= code <= _LAST_PRIVATE_CODE
    if len(payload) == 1 or not (is_private or code in _STANDARD_CODES):
        raise FrameError(ViolationKind.MALFORMED, "invalid close frame")
    return CloseStatus(code, _decode_text(payload[2:]))


def _decode_text(payload: bytes | bytearray) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        raise FrameError(ViolationKind.ENCODING, "text is not UTF-8") from None
