"""Lets the bot answer while a conversation is the bot's: typing shown, one final message, silent after a hand-off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType

from chatws.bots import Bot, BotError, BotRequest, FailureReason, HandOff, KeywordMatcher
from chatws.protocol.content import fit_content
from chatws.protocol.entities import Conversation, Message, User
from chatws.server.bot.notices import BotNotices
from chatws.server.bot.reply import BotReply, ReplyCancelled
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.conversations.hub import Hub
from chatws.server.conversations.service import ConversationService
from chatws.server.metrics import Metrics
from chatws.settings import Settings
from chatws.store.interface import Draft, IdempotencyConflict, StaleVersion, Store, StoreError

_log = logging.getLogger("chatws.bot")

BOT = User(user_id="bot", user_name="AI", role="bot")
"""The guide's sender of bot messages."""

MAX_WAITING = 10
"""Questions of one conversation that wait for the bot; more are left to the agents."""

ASKED = HandOff("the customer asked for a human")


class BotDispatcher:
    """The bot's work under way: one answer at a time in each conversation, each checked against its version."""

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
        self._turns: dict[str, asyncio.Lock] = {}
        self._answers: dict[str, list[BotReply]] = {}
        """Those under way, by conversation, in the order of their questions."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def pending(self) -> Mapping[str, Sequence[BotReply]]:
        """Read-only view of the replies in progress, by conversation, in the order of their questions."""
        return MappingProxyType(self._answers)

    def customer_wrote(self, conversation: Conversation, message: Message) -> None:
        """Answer in the background if it is the bot's turn."""
        if conversation.status == "bot":
            self.ask(conversation, message)

    def resume(self, conversation: Conversation) -> None:
        """The bot has been given a conversation: it answers what the customer said last, if nobody has."""
        last = conversation.last_message
        if last is not None and last.sender.role == "customer":
            self.ask(conversation, last)

    def ask(self, conversation: Conversation, question: Message) -> BotReply | None:
        """Begin to answer, or return the answer to this question that is under way.

        Returns None when too many questions wait already, and the agents are told; or when the server ends.
        """
        if self._is_closed:
            return None
        waiting = self._answers.setdefault(conversation.conversation_id, [])
        for answer in waiting:
            if answer.question.message_id == question.message_id and answer.version == conversation.version:
                return answer
        if len(waiting) >= MAX_WAITING:
            self._notices.overrun(conversation.conversation_id)
            return None
        if self._handoff_words.found_in(question.content):
            _withdraw(waiting)
        answer = BotReply(conversation, question)
        waiting.append(answer)
        task = asyncio.create_task(self._run(answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer

    def conversation_changed(self, conversation: Conversation) -> None:
        """A human has taken over: what the bot is about to say is dropped."""
        if conversation.status != "bot":
            _withdraw(self._answers.get(conversation.conversation_id, ()))

    async def close(self) -> None:
        """End every answer that is under way; may be repeated. The next server resumes them."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bot.close()

    async def _run(self, answer: BotReply) -> None:
        conversation_id = answer.question.conversation_id
        stored: Message | None = None
        try:
            async with self._turns.setdefault(conversation_id, asyncio.Lock()):
                answer.check()
                typing = asyncio.create_task(self._show_typing(conversation_id))
                try:
                    stored = await self._settle(answer)
                finally:
                    typing.cancel()
                    await asyncio.wait({typing})
        except (ReplyCancelled, StaleVersion, IdempotencyConflict):
            # The conflict is another server's answer to the same question.
            self._metrics.bot_answers["dropped"].inc()
        except StoreError as problem:
            self._metrics.bot_answers["failed"].inc()
            _log.warning("bot_answer_lost", extra={"keys": {"conversationId": conversation_id, "error": str(problem)}})
        finally:
            answer.finish(stored)
            self._forget(answer)

    def _forget(self, answer: BotReply) -> None:
        conversation_id = answer.question.conversation_id
        waiting = self._answers[conversation_id]
        waiting.remove(answer)
        if not waiting:
            del self._answers[conversation_id]
            self._turns.pop(conversation_id, None)

    async def _settle(self, answer: BotReply) -> Message | None:
        """Store what the customer is to read, and hand the conversation off if that is the end of it."""
        try:
            text, ending = await self._say(answer)
        except (ReplyCancelled, StoreError):
            raise
        except Exception as problem:  # noqa: BLE001  a bot's failure is the operator's, never the customer's
            return await self._fail(answer, problem)
        stored = await self._append(answer, text)
        self._metrics.bot_answers["stored"].inc()
        if ending is not None:
            await self._hand_off(answer, ending)
        return stored

    async def _fail(self, answer: BotReply, problem: Exception) -> Message | None:
        """Give the customer a clear line and the agents a notice."""
        stored = await self._append(answer, fit_content(self._settings.bot_failure_text))
        self._metrics.bot_answers["failed"].inc()
        self._notices.failed(answer.question.conversation_id, problem)
        if self._settings.bot_on_failure == "handoff":
            await self._hand_off(answer, HandOff("the bot failed"))
        return stored

    async def _say(self, answer: BotReply) -> tuple[str, HandOff | None]:
        ending = await self._compose(answer)
        if text := fit_content(answer.text):
            return text, ending
        if ending is None:
            raise BotError("it said nothing", FailureReason.EMPTY)
        return fit_content(self._settings.bot_handoff_text), ending

    async def _compose(self, answer: BotReply) -> HandOff | None:
        """Let the bot write the answer's text; returns its hand-off, if it ends with one."""
        if self._handoff_words.found_in(answer.question.content):
            return ASKED
        timeout_s = self._settings.bot_timeout_ms / 1000
        async with answer.composing(timeout_s):
            pieces = self._bot.answer(await self._turn(answer.question))
            async with aclosing(pieces):  # type: ignore[type-var]  # a bot's iterator is a generator
                async for piece in pieces:
                    if isinstance(piece, HandOff):
                        return piece
                    answer.add(piece)
                    if answer.is_full:
                        break
        return None

    async def _turn(self, question: Message) -> BotRequest:
        """Read what was said before, at most so many messages and characters, the latest of them."""
        limit, left = self._settings.bot_history_messages, self._settings.bot_history_chars
        if not limit or not self._bot.reads_history:
            return BotRequest(question.conversation_id, question)
        page = await self._store.page_before(question.conversation_id, question.seq, limit)
        history: list[Message] = []
        for message in reversed(page.messages):
            left -= len(message.content)
            if left < 0:
                break
            history.append(message)
        return BotRequest(question.conversation_id, question, tuple(reversed(history)))

    async def _append(self, answer: BotReply, text: str) -> Message | None:
        """Store the message, unless it is empty, under the question's id: no question is ever answered twice."""
        if not text:
            return None
        draft = Draft(
            answer.question.conversation_id,
            BOT,
            text,
            client_message_id=answer.question.message_id,
            expected_version=answer.version,
            reopen=False,
        )
        return (await self._conversations.append(draft)).message

    async def _hand_off(self, answer: BotReply, ending: HandOff) -> None:
        conversation = await self._hub.current(answer.question.conversation_id)
        if conversation is None or (conversation.status, conversation.version) != ("bot", answer.version):
            return
        if await self._conversations.requeue(conversation):
            self._notices.handed_off(conversation.conversation_id, ending.reason)

    async def _show_typing(self, conversation_id: str) -> None:
        """Until cancelled; an indicator expires by itself, so that it is repeated as a client's is."""
        try:
            while True:
                if (hosted := self._hub.get(conversation_id)) is not None:
                    hosted.typing.start(BOT, self)
                else:
                    self._cluster.typing(conversation_id, BOT, is_typing=True)
                await asyncio.sleep(self._settings.typing_resend_ms / 1000)
        finally:
            if (hosted := self._hub.get(conversation_id)) is not None:
                hosted.typing.end(BOT.user_id, self)
            else:
                self._cluster.typing(conversation_id, BOT, is_typing=False)


def _withdraw(answers: list[BotReply] | tuple[()]) -> None:
    for answer in answers:
        answer.withdraw()
