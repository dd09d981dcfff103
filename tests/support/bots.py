"""Scripted bots for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from chatws.bots import Bot, BotRequest, EchoBot, HandOff
from tests.support.chat import RunningChat


class StepBot(EchoBot):
    """Streams the pieces that a test puts into ``pieces``; None ends the reply."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        del request
        while (piece := await self.pieces.get()) is not None:
            yield piece


class ScriptedBot:
    """Replies when the test allows it: all pieces, then the exception if there is one."""

    name = "scripted"
    reads_history = True

    def __init__(self, *pieces: str | HandOff, problem: Exception | None = None) -> None:
        self.pieces = pieces
        self.problem = problem
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.was_closed = False
        """Whether its last reply has ended."""
        self.requests: list[BotRequest] = []

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        self.requests.append(request)
        self.asked.set()
        try:
            await self.may_answer.wait()
            for piece in self.pieces:
                yield piece
            if self.problem is not None:
                raise self.problem
        finally:
            self.was_closed = True

    async def close(self) -> None:
        pass


def install(chat: RunningChat, bot: Bot) -> None:
    """Replace the bot of the settings."""
    chat.parts.bot._bot = bot
