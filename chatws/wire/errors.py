"""Protocol errors in received bytes, and the close codes that answer them.

WireError
 ├─ HandshakeError   the HTTP response to a WebSocket upgrade
 ├─ HttpError        the HTTP response to a request of long-polling
 ├─ PacketError      an Engine.IO or Socket.IO packet
 └─ FrameError       a WebSocket frame
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class CloseCode(IntEnum):
    """WebSocket close codes used here (RFC 6455 section 7.4.1, and 1012 from the IANA registry)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NO_STATUS = 1005
    ABNORMAL = 1006
    INVALID_TEXT = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012


class ViolationKind(StrEnum):
    """Kinds of protocol error; each has a counter."""

    MALFORMED = "malformed"
    ENCODING = "encoding"
    OVERSIZE = "oversize"
    BINARY = "binary"
    RESERVED_NAME = "reserved_name"
    ORDER = "order"


CLOSE_CODES: dict[ViolationKind, CloseCode] = {
    ViolationKind.MALFORMED: CloseCode.PROTOCOL_ERROR,
    ViolationKind.ENCODING: CloseCode.INVALID_TEXT,
    ViolationKind.OVERSIZE: CloseCode.TOO_BIG,
    ViolationKind.BINARY: CloseCode.PROTOCOL_ERROR,
    ViolationKind.RESERVED_NAME: CloseCode.PROTOCOL_ERROR,
    ViolationKind.ORDER: CloseCode.PROTOCOL_ERROR,
}


class WireError(ValueError):
    """Protocol error of the peer; ``detail`` is a fixed text that never contains received bytes."""

    def __init__(self, kind: ViolationKind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.detail}"

    @property
    def close_code(self) -> CloseCode:
        """Code of the close frame that answers the error."""
        return CLOSE_CODES[self.kind]


class HandshakeError(WireError):
    """Malformed HTTP response to a WebSocket upgrade."""


class HttpError(WireError):
    """HTTP response that is malformed or too large."""


class PacketError(WireError):
    """Engine.IO or Socket.IO packet that is malformed or not allowed in this state."""


class FrameError(WireError):
    """WebSocket frame that is malformed or not allowed in this state."""
