"""Every error the contract knows: its code, text, HTTP status, and whether the same request may succeed later.

ChatError
 └─ Conflict    carries the conversation as it is now
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from chatws.protocol.entities import Conversation, Wire


class ErrorCode(StrEnum):
    """What went wrong, in one word that programs may compare."""

    BAD_REQUEST = "bad_request"
    UNKNOWN_EVENT = "unknown_event"
    UNAUTHORIZED = "unauthorized"
    TOKEN_EXPIRED = "token_expired"
    SESSION_EXPIRED = "session_expired"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NOT_JOINED = "not_joined"
    CONFLICT = "conflict"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    RATE_LIMITED = "rate_limited"
    CONNECTION_LIMIT = "connection_limit"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    DRAINING = "draining"
    SLOW = "slow"
    INTERNAL = "internal"


class ErrorRow(NamedTuple):
    """One row of the error table."""

    text: str
    http_status: int
    retryable: bool


ERRORS: dict[ErrorCode, ErrorRow] = {
    ErrorCode.BAD_REQUEST: ErrorRow("The request is not well formed.", 400, False),
    ErrorCode.UNKNOWN_EVENT: ErrorRow("There is no event of this name.", 404, False),
    ErrorCode.UNAUTHORIZED: ErrorRow("The credentials are missing or not valid.", 401, False),
    ErrorCode.TOKEN_EXPIRED: ErrorRow("The token has expired; renew it and repeat.", 401, True),
    ErrorCode.SESSION_EXPIRED: ErrorRow("The session has expired; start a new one.", 401, False),
    ErrorCode.FORBIDDEN: ErrorRow("This is not yours to do.", 403, False),
    ErrorCode.NOT_FOUND: ErrorRow("There is no such thing.", 404, False),
    ErrorCode.NOT_JOINED: ErrorRow("Join the conversation first.", 409, False),
    ErrorCode.CONFLICT: ErrorRow("It has changed since; look again.", 409, False),
    ErrorCode.IDEMPOTENCY_CONFLICT: ErrorRow("This clientMessageId was used for other content.", 409, False),
    ErrorCode.RATE_LIMITED: ErrorRow("Too many requests; wait and repeat.", 429, True),
    ErrorCode.CONNECTION_LIMIT: ErrorRow("Too many connections.", 503, True),
    ErrorCode.TOO_LARGE: ErrorRow("The request is too large.", 413, False),
    ErrorCode.TIMEOUT: ErrorRow("No answer in time; the outcome is unknown.", 504, True),
    ErrorCode.STORAGE_UNAVAILABLE: ErrorRow("Nothing can be stored right now; the outcome is unknown.", 503, True),
    ErrorCode.DRAINING: ErrorRow("This server is shutting down; reconnect.", 503, True),
    ErrorCode.SLOW: ErrorRow("The connection does not read fast enough.", 503, True),
    ErrorCode.INTERNAL: ErrorRow("Something failed on the server.", 500, False),
}


class ErrorBody(Wire, frozen=True, kw_only=True):
    """The ``error`` of a refused request."""

    code: ErrorCode
    message: str
    retryable: bool
    retry_after_ms: int | UnsetType = UNSET


class ChatError(Exception):
    """A request was refused for a reason the contract names."""

    def __init__(self, code: ErrorCode, message: str | None = None, *, retry_after_ms: int | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or ERRORS[code].text
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        return f"{self.code.value}: {self.message}"

    @property
    def http_status(self) -> int:
        """HTTP status of the code."""
        return ERRORS[self.code].http_status

    @property
    def body(self) -> ErrorBody:
        """The error as it crosses the wire."""
        after = UNSET if self.retry_after_ms is None else self.retry_after_ms
        return ErrorBody(
            code=self.code, message=self.message, retryable=ERRORS[self.code].retryable, retry_after_ms=after
        )


class Conflict(ChatError):
    """A lost race: the conversation had another version."""

    def __init__(self, current: Conversation) -> None:
        super().__init__(ErrorCode.CONFLICT)
        self.current = current
