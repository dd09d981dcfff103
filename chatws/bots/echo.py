"""Echo bot, for tests of the bot integration."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chatws.bots.interface import BotRequest, HandOff


class EchoBot:
    """Bot that replies to a message with the same text."""

    name = "echo"
    reads_history = False

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the text of the customer's message."""
        yield request.message.content

    async def close(self) -> None:
        """Do nothing: the bot holds no resources."""
