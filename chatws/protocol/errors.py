"""Errors of the protocol: code, text, HTTP status, and whether a retry of the same request may succeed.

ChatError
 └─ Conflict    carries the current conversation
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from chatws.protocol.entities import Conversation, Wire


class ErrorCode(StrEnum):
    """Machine-readable error code."""

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
    """Row of the error table."""

    text: str
    http_status: int
    retryable: bool


ERRORS: dict[ErrorCode, ErrorRow] = {
    ErrorCode.BAD_REQUEST: ErrorRow("The request is malformed.", 400, False),
    ErrorCode.UNKNOWN_EVENT: ErrorRow("Unknown event.", 404, False),
    ErrorCode.UNAUTHORIZED: ErrorRow("The credentials are missing or invalid.", 401, False),
    ErrorCode.TOKEN_EXPIRED: ErrorRow("The token has expired; renew it and retry.", 401, True),
    ErrorCode.SESSION_EXPIRED: ErrorRow("The session has expired; start a new one.", 401, False),
    ErrorCode.FORBIDDEN: ErrorRow("You are not allowed to do this.", 403, False),
    ErrorCode.NOT_FOUND: ErrorRow("Not found.", 404, False),
    ErrorCode.NOT_JOINED: ErrorRow("Join the conversation first.", 409, False),
    ErrorCode.CONFLICT: ErrorRow("The conversation has changed; reload it.", 409, False),
    ErrorCode.IDEMPOTENCY_CONFLICT: ErrorRow("This clientMessageId was used for other content.", 409, False),
    ErrorCode.RATE_LIMITED: ErrorRow("Too many requests; retry later.", 429, True),
    ErrorCode.CONNECTION_LIMIT: ErrorRow("Too many connections.", 503, True),
    ErrorCode.TOO_LARGE: ErrorRow("The request is too large.", 413, False),
    ErrorCode.TIMEOUT: ErrorRow("The request timed out; its outcome is unknown.", 504, True),
    ErrorCode.STORAGE_UNAVAILABLE: ErrorRow("The storage is unavailable; the outcome is unknown.", 503, True),
    ErrorCode.DRAINING: ErrorRow("This server is shutting down; reconnect.", 503, True),
    ErrorCode.SLOW: ErrorRow("The connection does not read fast enough.", 503, True),
    ErrorCode.INTERNAL: ErrorRow("Internal server error.", 500, False),
}


class ErrorBody(Wire, frozen=True, kw_only=True):
    """The ``error`` of a rejected request."""

    code: ErrorCode
    message: str
    retryable: bool
    retry_after_ms: int | UnsetType = UNSET


class ChatError(Exception):
    """Rejection of a request with an error code of the protocol."""

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
        """The error as sent to the client."""
        after = UNSET if self.retry_after_ms is None else self.retry_after_ms
        return ErrorBody(
            code=self.code, message=self.message, retryable=ERRORS[self.code].retryable, retry_after_ms=after
        )


class Conflict(ChatError):
    """Version conflict: the conversation was changed by another request."""

    def __init__(self, current: Conversation) -> None:
        super().__init__(ErrorCode.CONFLICT)
        self.current = current
