"""Every way a call of the SDK can fail.

ClientError
 ├─ CannotConnect     no connection could be made
 ├─ Refused           the server said no, and why
 ├─ ConnectionLost    the connection ended under a request that is not repeated: its outcome is unknown
 ├─ Disconnected      the client is closed for good; what was pending is not sent
 └─ OutboxFull        too much is waiting to be sent
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.protocol.errors import ERRORS, ErrorCode

if TYPE_CHECKING:
    from chatws.protocol.entities import Conversation
    from chatws.protocol.responses import Refused as RefusedReply


class ClientError(Exception):
    """Base of the SDK's errors."""


class CannotConnect(ClientError):
    """Nobody answered, or nobody who speaks the protocol."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot connect: {self.reason}"


class RequestRefused(ClientError):
    """The server refused; ``conversation`` is its present state after a lost race."""

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
        """Make the error of a refused request."""
        conversation = None if reply.conversation is UNSET else reply.conversation
        return cls(reply.error.code, reply.error.message, conversation=conversation)


class ConnectionLost(ClientError):
    """The connection ended, or no answer came, and repeating could do harm: look at the state before trying again."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name}: the connection was lost, the outcome is unknown"


class Disconnected(ClientError):
    """The client is not connected and does not try to be."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"disconnected: {self.reason}"


class OutboxFull(ClientError):
    """As many messages or requests are waiting as the options allow."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.limit} are waiting to be sent, no more are taken"
