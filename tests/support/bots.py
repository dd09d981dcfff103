"""Scripted bots for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from chatws.bots import Bot, BotRequest, EchoBot, HandOff
from tests.support.chat import RunningChat


class StepBot(EchoBot):
    """Bot that streams the pieces that a test puts into ``pieces``; None ends the reply."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        del request
        while (piece := await self.pieces.get()) is not None:
            yield piece


class ScriptedBot:
    """Bot that yields all pieces, then raises ``error`` if there is one, once the test sets ``may_reply``."""

    name = "scripted"
    reads_history = True

    def __init__(self, *pieces: str | HandOff, error: Exception | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.called = asyncio.Event()
        self.may_reply = asyncio.Event()
        self.has_ended = False
        """Whether its last reply has ended."""
        self.requests: list[BotRequest] = []

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        self.requests.append(request)
        self.called.set()
        try:
            await self.may_reply.wait()
            for piece in self.pieces:
                yield piece
            if self.error is not None:
                raise self.error
        finally:
            self.has_ended = True

    async def close(self) -> None:
        pass


def install(chat: RunningChat, bot: Bot) -> None:
    """Replace the bot of the settings."""
    chat.parts.bot._bot = bot
