"""The port of bots: a conversation goes in, text comes out piece by piece.

BotError   the bot could not answer; says why, for the operator
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from chatws.protocol.entities import Message


class BotError(Exception):
    """No answer came: the remote failed, refused, or said nothing."""


@dataclass(frozen=True, slots=True)
class Turn:
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

    def answer(self, turn: Turn) -> AsyncIterator[str]:
        """Yield the answer in pieces; it is cancelled when it takes too long or a human takes over.

        Raises:
            BotError: there is no answer.
        """
        ...
