"""One question's answer while the bot makes it; whoever follows sees the text grow, and then the stored message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatws.protocol.entities import Conversation, Message
from chatws.protocol.limits import MAX_CONTENT_CHARS


class ReplyCancelled(Exception):
    """A human has taken over meanwhile: the answer is not wanted any more."""


class BotReply:
    """What the bot says to one question, as far as it has come."""

    def __init__(self, conversation: Conversation, question: Message) -> None:
        self.question = question
        self.version = conversation.version
        """The bot may speak as long as the conversation has this version."""
        self.text = ""
        """What the bot has said so far; what is stored in the end may be another line, when it fails."""
        self.message: Message | None = None
        """What was stored; set at the end, if anything was."""
        self.is_done = False
        self._withdrawn = False
        self._deadline: asyncio.Timeout | None = None
        """Set while the bot is being asked."""
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def composing(self, timeout_s: float) -> AsyncIterator[None]:
        """Bound the time in which the bot is asked; `withdraw` ends it at once.

        Raises:
            TimeoutError: the time is over.
            Withdrawn: so is the bot's turn.
        """
        self.check()
        try:
            async with asyncio.timeout(timeout_s) as self._deadline:
                yield
        finally:
            self._deadline = None
            self.check()

    def check(self) -> None:
        """Go on only while the answer is wanted.

        Raises:
            Withdrawn: it is not.
        """
        if self._withdrawn:
            raise ReplyCancelled

    def withdraw(self) -> None:
        """Stop asking; what is being stored already is the store's to judge, by the version."""
        self._withdrawn = True
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time())

    @property
    def is_full(self) -> bool:
        """Whether no more text fits into a message."""
        return len(self.text) >= MAX_CONTENT_CHARS

    def add(self, piece: str) -> None:
        """Take the next piece of text."""
        self.text = (self.text + piece)[:MAX_CONTENT_CHARS]
        self._changed.set()

    def finish(self, message: Message | None) -> None:
        """Nothing more will come."""
        self.message = message
        self.is_done = True
        self._changed.set()

    async def wait_changed(self, timeout_s: float) -> bool:
        """Wait for more text or the end than there is now; False when nothing has come in this time."""
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def wait_done(self, timeout_s: float) -> Message | None:
        """Wait for the end, at most this long; returns what was stored by then."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.is_done:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return None
        return self.message
