"""The port of bots: a conversation goes in, text comes out piece by piece.

BotError   the bot could not answer; carries the trouble as one word for agents, and the detail for the operator
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chatws.protocol.entities import Message


class FailureReason(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    FAILED = "failed"
    CUT = "cut"
    UNREADABLE = "unreadable"
    EMPTY = "empty"


class BotError(Exception):
    """No answer came: the remote failed, refused, or said nothing."""

    def __init__(self, detail: str, trouble: FailureReason = FailureReason.FAILED) -> None:
        super().__init__(detail, trouble)
        self.detail = detail
        self.trouble = trouble

    def __str__(self) -> str:
        return f"{self.trouble.value}: {self.detail}"


@dataclass(frozen=True, slots=True)
class HandOff:
    """The bot gives the conversation to a human; what it said before is still for the customer."""

    reason: str


@dataclass(frozen=True, slots=True)
class BotRequest:
    """What a bot is asked: the customer's message, and what was said before it, oldest first."""

    conversation_id: str
    message: Message
    history: tuple[Message, ...] = ()


class Bot(Protocol):
    """Answers customers. It neither stores nor sends: the caller does, if it is still the bot's turn by then."""

    @property
    def name(self) -> str:
        """The name under which the bot is chosen and logged."""
        ...

    @property
    def reads_history(self) -> bool:
        """Whether a turn shall come with what was said before; reading it costs a query."""
        ...

    def answer(self, turn: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the answer in pieces, and at most one `HandOff`, at the end.

        It is cancelled when it takes too long or a human takes over.

        Raises:
            BotError: there is no answer; what was yielded before counts for nothing.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds; it is not asked any more."""
        ...
