"""Errors of the SDK.

ClientError
 ├─ CannotConnect     no connection could be opened
 ├─ RequestRefused    the server refused the request; carries the error code
 │   └─ ConnectionRejected   the server refused the credentials, or closed the connection for good
 ├─ ConnectionLost    the connection ended during a request that is not repeated: its outcome is unknown
 ├─ Disconnected      the client is closed for good; pending messages are not sent
 └─ OutboxFull        too many messages or requests are queued
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.protocol.errors import ERRORS, ErrorCode

if TYPE_CHECKING:
    from chatws.protocol.entities import Conversation
    from chatws.protocol.responses import Refused as RefusedReply

PLAIN_HTTP = "the server uses plain HTTP; use an address with http://"
"""Reason of `CannotConnect` for an ``https`` address of a server without TLS."""

NO_HTTP_RESPONSE = "the server closed the connection without an HTTP response"
"""Reason of `CannotConnect` that is also the reaction of a TLS server to an ``http`` address."""


class ClientError(Exception):
    """Base of the SDK's errors."""


class CannotConnect(ClientError):
    """No server is reachable, or the peer does not implement the protocol."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot connect: {self.reason}"


class RequestRefused(ClientError):
    """The server refused a request; ``conversation`` is the current state after a version conflict."""

    def __init__(
        self, code: ErrorCode, message: str | None = None, *, conversation: Conversation | None = None
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or ERRORS[code].text
        self.conversation = conversation

    def __str__(self) -> str:
        return f"{self.code.value}: {self.message}"

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return ERRORS[self.code].retryable

    @classmethod
    def from_reply(cls, reply: RefusedReply) -> RequestRefused:
        """Convert the reply to a refused request."""
        conversation = None if reply.conversation is UNSET else reply.conversation
        return cls(reply.error.code, reply.error.message, conversation=conversation)


class ConnectionRejected(RequestRefused):
    """The server refused the credentials, or closed the connection for good.

    Open requests fail with it too: the server has not judged them, and they may succeed after a new log-in.
    """


class ConnectionLost(ClientError):
    """The connection ended or the ack timed out, and a retry could do harm: read the state first."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name}: the connection was lost, the outcome is unknown"


class Disconnected(ClientError):
    """The client is closed and does not reconnect."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"disconnected: {self.reason}"


class OutboxFull(ClientError):
    """As many messages or requests are queued as the options allow."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the outbox is full: {self.limit} are waiting to be sent"
