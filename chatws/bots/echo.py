"""A bot that says what it heard: proof that everything around bots works."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chatws.bots.interface import BotRequest, HandOff


class EchoBot:
    """Answers every message with its own text."""

    name = "echo"
    reads_history = False

    async def answer(self, turn: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the customer's text."""
        yield turn.message.content

    async def close(self) -> None:
        """Nothing is open."""
