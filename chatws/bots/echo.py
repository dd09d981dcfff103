"""A bot that says what it heard: proof that everything around bots works."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chatws.bots.port import Turn


class EchoBot:
    """Answers every message with its own text."""

    name = "echo"

    async def answer(self, turn: Turn) -> AsyncIterator[str]:
        """Yield the customer's text."""
        yield turn.message.content
