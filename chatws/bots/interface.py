"""Interface of bots: a bot receives a conversation and streams its reply.

BotError   failed reply, with the reason as one word for agents, and the detail for the operator
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chatws.protocol.entities import Message


class FailureReason(StrEnum):
    """Reason of a failed reply."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    """The service rejected the request, for example because of a wrong key."""
    FAILED = "failed"
    """The service reported an internal error."""
    CUT = "cut"
    """The connection ended before the reply was complete."""
    UNREADABLE = "unreadable"
    """The response is malformed or too long."""
    EMPTY = "empty"
    """The reply has no text."""


class BotError(Exception):
    """Failed reply: the service is unavailable, rejected the request, or returned nothing."""

    def __init__(self, detail: str, reason: FailureReason = FailureReason.FAILED) -> None:
        super().__init__(detail, reason)
        self.detail = detail
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}"


@dataclass(frozen=True, slots=True)
class HandOff:
    """Hand-off of the conversation to an agent; text yielded before it is still sent to the customer."""

    reason: str


@dataclass(frozen=True, slots=True)
class BotRequest:
    """Input of a bot: the customer's message and the messages before it, oldest first."""

    conversation_id: str
    message: Message
    history: tuple[Message, ...] = ()


class Bot(Protocol):
    """Generator of replies to customers.

    It neither stores nor sends them: the caller does, if the conversation is still assigned to the bot.
    """

    @property
    def name(self) -> str:
        """Name of the bot in the settings and in the log."""
        ...

    @property
    def reads_history(self) -> bool:
        """Whether a request has to include the history, which costs a query."""
        ...

    def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the reply in pieces, optionally followed by one `HandOff`.

        The caller cancels it on a timeout, or when an agent takes over.

        Raises:
            BotError: the reply failed; the caller discards the pieces yielded before.
        """
        ...

    async def close(self) -> None:
        """Release all resources; no further request follows."""
        ...
