"""Dispatcher of customers' messages to the bot: one reply at a time in each conversation, none after a hand-off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType

from chatws.bots import Bot, BotError, BotRequest, FailureReason, HandOff, KeywordMatcher
from chatws.protocol.content import fit_content
from chatws.protocol.entities import BOT_ID, Conversation, Message, User
from chatws.server.bot.notices import BotNotices
from chatws.server.bot.reply import BotReply, ReplyCancelled
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.conversations.hub import Hub
from chatws.server.conversations.service import ConversationService
from chatws.server.metrics import Metrics
from chatws.settings import Settings
from chatws.store.interface import Draft, IdempotencyConflict, StaleVersion, Store, StoreError

_log = logging.getLogger("chatws.bot")

BOT = User(user_id=BOT_ID, user_name="AI", role="bot")
"""Sender of bot messages (guide)."""

MAX_WAITING = 10
"""Limit of questions per conversation that wait for the bot; the agents answer further ones."""

HANDOFF_REQUESTED = HandOff("the customer asked for a human")


class BotDispatcher:
    """Runs the bot's replies; a reply is stored only if the conversation still has the version of its question."""

    def __init__(
        self,
        bot: Bot,
        settings: Settings,
        *,
        store: Store,
        conversations: ConversationService,
        hub: Hub,
        cluster: ClusterPublisher,
        notices: BotNotices,
        metrics: Metrics,
    ) -> None:
        self._bot = bot
        self._settings = settings
        self._store = store
        self._conversations = conversations
        self._hub = hub
        self._cluster = cluster
        self._notices = notices
        self._metrics = metrics
        self._handoff_words = KeywordMatcher(settings.bot_handoff_words)
        self._locks: dict[str, asyncio.Lock] = {}
        """Serialise the replies of a conversation."""
        self._replies: dict[str, list[BotReply]] = {}
        """Replies in progress by conversation, in the order of their questions."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def pending(self) -> Mapping[str, Sequence[BotReply]]:
        """Read-only view of the replies in progress by conversation, in the order of their questions."""
        return MappingProxyType(self._replies)

    def customer_wrote(self, conversation: Conversation, message: Message) -> None:
        """Reply in the background if the conversation is assigned to the bot."""
        if conversation.status == "bot":
            self.ask(conversation, message)

    def resume(self, conversation: Conversation) -> None:
        """Reply to the last message of a conversation that was assigned to the bot, if a customer sent it."""
        last = conversation.last_message
        if last is not None and last.sender.role == "customer":
            self.ask(conversation, last)

    def ask(self, conversation: Conversation, question: Message) -> BotReply | None:
        """Start a reply, or return the reply to this question that is in progress.

        Returns None during shutdown, or if too many questions wait; the agents are then notified.
        """
        if self._is_closed:
            return None
        waiting = self._replies.setdefault(conversation.conversation_id, [])
        for reply in waiting:
            if reply.question.message_id == question.message_id and reply.version == conversation.version:
                return reply
        if len(waiting) >= MAX_WAITING:
            self._notices.overrun(conversation.conversation_id)
            return None
        if self._handoff_words.found_in(question.content):
            _cancel(waiting)
        reply = BotReply(conversation, question)
        waiting.append(reply)
        task = asyncio.create_task(self._run(reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return reply

    def conversation_changed(self, conversation: Conversation) -> None:
        """Cancel the replies in a conversation that is no longer assigned to the bot."""
        if conversation.status != "bot":
            _cancel(self._replies.get(conversation.conversation_id, ()))

    async def close(self) -> None:
        """Cancel every reply in progress; the next server resumes them. May be called repeatedly."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bot.close()

    async def _run(self, reply: BotReply) -> None:
        conversation_id = reply.question.conversation_id
        stored: Message | None = None
        try:
            async with self._locks.setdefault(conversation_id, asyncio.Lock()):
                reply.check()
                typing = asyncio.create_task(self._show_typing(conversation_id))
                try:
                    stored = await self._complete(reply)
                finally:
                    typing.cancel()
                    await asyncio.wait({typing})
        except (ReplyCancelled, StaleVersion, IdempotencyConflict):
            # The conflict is another server's reply to the same question.
            self._metrics.bot_answers["dropped"].inc()
        except StoreError as problem:
            self._metrics.bot_answers["failed"].inc()
            _log.warning("bot_reply_lost", extra={"keys": {"conversationId": conversation_id, "error": str(problem)}})
        finally:
            reply.finish(stored)
            self._remove(reply)

    def _remove(self, reply: BotReply) -> None:
        conversation_id = reply.question.conversation_id
        waiting = self._replies[conversation_id]
        waiting.remove(reply)
        if not waiting:
            del self._replies[conversation_id]
            self._locks.pop(conversation_id, None)

    async def _complete(self, reply: BotReply) -> Message | None:
        """Store the final text, and hand the conversation off if the reply ends with a hand-off."""
        try:
            text, handoff = await self._final_text(reply)
        except (ReplyCancelled, StoreError):
            raise
        except Exception as problem:  # noqa: BLE001  any failure of a bot is reported to the operator
            return await self._fail(reply, problem)
        stored = await self._append(reply, text)
        self._metrics.bot_answers["stored"].inc()
        if handoff is not None:
            await self._hand_off(reply, handoff)
        return stored

    async def _fail(self, reply: BotReply, problem: Exception) -> Message | None:
        """Store ``bot_failure_text`` for the customer and notify the agents."""
        stored = await self._append(reply, fit_content(self._settings.bot_failure_text))
        self._metrics.bot_answers["failed"].inc()
        self._notices.failed(reply.question.conversation_id, problem)
        if self._settings.bot_on_failure == "handoff":
            await self._hand_off(reply, HandOff("the bot failed"))
        return stored

    async def _final_text(self, reply: BotReply) -> tuple[str, HandOff | None]:
        handoff = await self._compose(reply)
        if text := fit_content(reply.text):
            return text, handoff
        if handoff is None:
            raise BotError("the answer is empty", FailureReason.EMPTY)
        return fit_content(self._settings.bot_handoff_text), handoff

    async def _compose(self, reply: BotReply) -> HandOff | None:
        """Add the pieces of the bot's answer to the reply; return the hand-off if the answer ends with one."""
        if self._handoff_words.found_in(reply.question.content):
            return HANDOFF_REQUESTED
        timeout_s = self._settings.bot_timeout_ms / 1000
        async with reply.composing(timeout_s):
            pieces = self._bot.answer(await self._request(reply.question))
            async with aclosing(pieces):  # type: ignore[type-var]  # a bot's iterator is a generator
                async for piece in pieces:
                    if isinstance(piece, HandOff):
                        return piece
                    reply.add(piece)
                    if reply.is_full:
                        break
        return None

    async def _request(self, question: Message) -> BotRequest:
        """Return the question with the latest messages before it, within the limits of messages and characters."""
        limit, chars_left = self._settings.bot_history_messages, self._settings.bot_history_chars
        if not limit or not self._bot.reads_history:
            return BotRequest(question.conversation_id, question)
        page = await self._store.page_before(question.conversation_id, question.seq, limit)
        history: list[Message] = []
        for message in reversed(page.messages):
            chars_left -= len(message.content)
            if chars_left < 0:
                break
            history.append(message)
        return BotRequest(question.conversation_id, question, tuple(reversed(history)))

    async def _append(self, reply: BotReply, text: str) -> Message | None:
        """Store a text unless it is empty; the question's id as idempotency key prevents a second reply."""
        if not text:
            return None
        draft = Draft(
            reply.question.conversation_id,
            BOT,
            text,
            client_message_id=reply.question.message_id,
            expected_version=reply.version,
            may_change_status=False,
        )
        return (await self._conversations.append(draft)).message

    async def _hand_off(self, reply: BotReply, handoff: HandOff) -> None:
        conversation = await self._hub.current(reply.question.conversation_id)
        if conversation is None or (conversation.status, conversation.version) != ("bot", reply.version):
            return
        if await self._conversations.requeue(conversation, handoff.reason or None):
            await self._conversations.note_handoff(conversation.conversation_id, BOT, handoff.reason)
            self._notices.handed_off(conversation.conversation_id, handoff.reason)

    async def _show_typing(self, conversation_id: str) -> None:
        """Show the bot as typing until cancelled; repeated because the indicator expires."""
        try:
            while True:
                if (hosted := self._hub.get(conversation_id)) is not None:
                    hosted.typing.start(BOT, self)
                else:
                    self._cluster.publish_typing(conversation_id, BOT, is_typing=True)
                await asyncio.sleep(self._settings.typing_resend_ms / 1000)
        finally:
            if (hosted := self._hub.get(conversation_id)) is not None:
                hosted.typing.end(BOT.user_id, self)
            else:
                self._cluster.publish_typing(conversation_id, BOT, is_typing=False)


def _cancel(replies: Sequence[BotReply]) -> None:
    for reply in replies:
        reply.cancel()
