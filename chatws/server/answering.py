"""Lets the bot answer while a conversation is the bot's: typing shown, one final message, silent after a hand-off."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

from chatws.bots import Bot, BotError, Turn
from chatws.protocol.content import normalise_content
from chatws.protocol.entities import Conversation, Message, User
from chatws.protocol.errors import ChatError
from chatws.protocol.limits import MAX_CONTENT_CHARS
from chatws.server.logs import log_event
from chatws.store.port import Draft, StaleVersion, StoreError

if TYPE_CHECKING:
    from chatws.server.chat import Chat

_log = logging.getLogger("chatws.bot")

BOT = User(user_id="bot", user_name="AI", role="bot")
"""The guide's sender of bot messages."""

ANSWER_TIMEOUT_S = 8.0
"""Within the deadline of a request, so that the chat API can wait for the answer."""

MAX_WAITING = 10
"""Questions of one conversation that wait for the bot; more are left to the agents."""


class Answering:
    """The bot's work under way: one answer at a time in each conversation."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._turns: dict[str, asyncio.Lock] = {}
        self._tasks: dict[str, set[asyncio.Task[Message | None]]] = {}
        self._chat: Chat | None = None
        """Set once, when the parts are joined together."""

    def join(self, chat: Chat) -> None:
        """Learn the chat it answers in."""
        self._chat = chat

    def customer_wrote(self, conversation: Conversation, message: Message) -> None:
        """Answer in the background if it is the bot's turn."""
        if conversation.status == "bot":
            self.ask(conversation, message)

    def ask(self, conversation: Conversation, message: Message) -> asyncio.Task[Message | None] | None:
        """Begin to answer; the task's result is the stored answer, or None when there was none.

        Returns None itself when too many questions wait already.
        """
        conversation_id = conversation.conversation_id
        mine = self._tasks.setdefault(conversation_id, set())
        if len(mine) >= MAX_WAITING:
            return None
        task = asyncio.create_task(self._answer(conversation, message))
        mine.add(task)
        task.add_done_callback(lambda done: self._forget(conversation_id, done))
        return task

    def conversation_changed(self, conversation: Conversation) -> None:
        """A human has taken over: what the bot is about to say is dropped."""
        if conversation.status != "bot":
            for task in self._tasks.get(conversation.conversation_id, ()):
                task.cancel()

    async def close(self) -> None:
        """End every answer that is under way."""
        tasks = [task for mine in self._tasks.values() for task in mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, conversation_id: str, task: asyncio.Task[Message | None]) -> None:
        mine = self._tasks[conversation_id]
        mine.discard(task)
        if not mine:
            del self._tasks[conversation_id]
            self._turns.pop(conversation_id, None)

    async def _answer(self, conversation: Conversation, message: Message) -> Message | None:
        assert self._chat is not None
        conversation_id = conversation.conversation_id
        async with self._turns.setdefault(conversation_id, asyncio.Lock()):
            typing = asyncio.create_task(self._show_typing(self._chat, conversation_id))
            try:
                text = normalise_content(await self._compose(Turn(conversation_id, message)))
                draft = Draft(conversation_id, BOT, text, expected_version=conversation.version, reopen=False)
                answer = (await self._chat.append(draft)).message
                self._chat.metrics.bot_answers["stored"].inc()
                return answer
            except StaleVersion:
                self._chat.metrics.bot_answers["dropped"].inc()
                return None
            except Exception as problem:  # noqa: BLE001  a bot's failure is the operator's, never the customer's
                self._chat.metrics.bot_answers["failed"].inc()
                self._report(conversation_id, problem)
                return None
            finally:
                typing.cancel()
                await asyncio.wait({typing})

    async def _show_typing(self, chat: Chat, conversation_id: str) -> None:
        """Until cancelled; an indicator expires by itself, so that it is repeated as a client's is."""
        try:
            while True:
                if (hosted := chat.hosting.get(conversation_id)) is not None:
                    hosted.board.start(BOT, self)
                await asyncio.sleep(chat.settings.typing_resend_ms / 1000)
        finally:
            if (hosted := chat.hosting.get(conversation_id)) is not None:
                hosted.board.end(BOT.user_id, self)

    async def _compose(self, turn: Turn) -> str:
        text = ""
        async with asyncio.timeout(ANSWER_TIMEOUT_S), aclosing(self._bot.answer(turn)) as pieces:  # type: ignore[type-var]  # a bot's iterator is a generator
            async for piece in pieces:
                text += piece
                if len(text) > MAX_CONTENT_CHARS:
                    return text[:MAX_CONTENT_CHARS]
        return text

    def _report(self, conversation_id: str, problem: Exception) -> None:
        expected = isinstance(problem, BotError | ChatError | StoreError | TimeoutError)
        log_event(
            _log, logging.WARNING, "bot_failed", bot=self._bot.name, conversationId=conversation_id, error=repr(problem)
        )
        if not expected:
            _log.error("bot_crashed", exc_info=problem)
