"""Reply of the bot to one question, from the first piece of text to the stored message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatws.protocol.entities import Conversation, Message
from chatws.protocol.limits import MAX_CONTENT_CHARS


class ReplyCancelled(Exception):
    """The conversation was assigned to an agent while the bot was replying."""


class BotReply:
    """Text of a reply in progress, and the stored message at its end."""

    def __init__(self, conversation: Conversation, question: Message) -> None:
        self.question = question
        self.version = conversation.version
        """Version of the conversation that the reply belongs to; it is not stored in another version."""
        self.text = ""
        """Text so far; if the bot fails, ``bot_failure_text`` is stored instead."""
        self.message: Message | None = None
        """Stored message; set at the end if one was stored."""
        self.is_done = False
        self._is_cancelled = False
        self._deadline: asyncio.Timeout | None = None
        """Set inside `composing`."""
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def composing(self, timeout_s: float) -> AsyncIterator[None]:
        """Limit the duration of the call of the bot; `cancel` ends it at once.

        Raises:
            TimeoutError: the bot took longer than ``timeout_s``.
            ReplyCancelled: the reply was cancelled.
        """
        self.check()
        try:
            async with asyncio.timeout(timeout_s) as self._deadline:
                yield
        finally:
            self._deadline = None
            self.check()

    def check(self) -> None:
        """Raise `ReplyCancelled` if the reply was cancelled."""
        if self._is_cancelled:
            raise ReplyCancelled

    def cancel(self) -> None:
        """Cancel the call of the bot; an append in progress succeeds only if the store finds the version unchanged."""
        self._is_cancelled = True
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time())

    @property
    def is_full(self) -> bool:
        """Whether the text has the maximum length of a message."""
        return len(self.text) >= MAX_CONTENT_CHARS

    def add(self, piece: str) -> None:
        """Append a piece of text."""
        self.text = (self.text + piece)[:MAX_CONTENT_CHARS]
        self._changed.set()

    def finish(self, message: Message | None) -> None:
        """Mark the reply as done, with the stored message if there is one."""
        self.message = message
        self.is_done = True
        self._changed.set()

    async def wait_changed(self, timeout_s: float) -> bool:
        """Wait for more text or the end; return False after the timeout."""
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def wait_done(self, timeout_s: float) -> Message | None:
        """Wait for the end; return the stored message, or None if there is none or after the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.is_done:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return None
        return self.message
