"""A bot of Coze: ``POST /v3/chat``, streamed (Coze API, Chat v3).

Of what comes, only messages of type ``answer`` are for the customer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec

from chatws.bots.handoff_marker import watch_for_marker
from chatws.bots.http_bot import EVENTS, HttpBotClient
from chatws.bots.interface import BotError, BotRequest, FailureReason, HandOff
from chatws.bots.sse import ServerSentEvent
from chatws.protocol.entities import Message

RATE_LIMIT_CODES = frozenset({4013, 429})
"""Coze's codes of too many requests; it sends them with HTTP 200."""

DELTA = "conversation.message.delta"
MESSAGE_COMPLETED = "conversation.message.completed"
CHAT_COMPLETED = "conversation.chat.completed"
UNFINISHED = frozenset({"conversation.chat.failed", "conversation.chat.requires_action", "conversation.chat.canceled"})


class _Message(msgspec.Struct, frozen=True):
    id: str = ""
    type: str = ""
    content: str | None = None
    content_type: str = "text"

    @property
    def answer(self) -> str:
        return self.content or "" if self.type == "answer" and self.content_type == "text" else ""


class _Status(msgspec.Struct, frozen=True):
    code: int = 0
    msg: str = ""


class _Chat(msgspec.Struct, frozen=True):
    status: str = ""
    last_error: _Status | None = None


class CozeBot:
    """Asks a Coze bot. The chat keeps the history, so that Coze is sent what it needs and saves nothing."""

    name = "coze"
    reads_history = True

    def __init__(self, remote: HttpBotClient, bot_id: str) -> None:
        self._remote = remote
        self._bot_id = bot_id

    async def answer(self, turn: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the bot's answer as it is written; the marker becomes a hand-off."""
        async with aclosing(watch_for_marker(self._chat(turn))) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Close every connection."""
        await self._remote.close()

    async def _chat(self, turn: BotRequest) -> AsyncGenerator[str]:
        body = {
            "bot_id": self._bot_id,
            "user_id": turn.message.sender.user_id,
            "stream": True,
            "auto_save_history": False,
            "additional_messages": [_said(message) for message in (*turn.history, turn.message)],
        }
        async with self._remote.post("/v3/chat", body) as response:
            if response.content_type != EVENTS:
                # Refusals come as JSON with HTTP 200.
                raise self._failure(self._remote.decode(await self._remote.read(response), _Status))
            async with aclosing(self._remote.events(response)) as events:
                async for piece in self._read(events):
                    yield piece

    async def _read(self, events: AsyncGenerator[ServerSentEvent]) -> AsyncGenerator[str]:
        begun: list[str] = []
        """Ids of the answers that have been yielded, or of which a part has."""
        async for event in events:
            if event.name in {CHAT_COMPLETED, "done"}:
                return
            if event.name == "error":
                raise self._failure(self._remote.decode(event.data, _Status))
            if event.name in UNFINISHED:
                chat = self._remote.decode(event.data, _Chat)
                raise self._failure(chat.last_error or _Status(msg=event.name))
            if event.name not in {DELTA, MESSAGE_COMPLETED}:
                continue
            message = self._remote.decode(event.data, _Message)
            if not message.answer or (event.name == MESSAGE_COMPLETED and message.id in begun):
                continue
            if message.id not in begun:
                if begun:
                    yield "\n\n"
                begun.append(message.id)
            yield message.answer
        raise self._remote.error("the stream ended before the answer did", FailureReason.CUT)

    def _failure(self, status: _Status) -> BotError:
        trouble = FailureReason.RATE_LIMITED if status.code in RATE_LIMIT_CODES else FailureReason.FAILED
        return self._remote.error(f"{status.code} {status.msg}", trouble)


def _said(message: Message) -> dict[str, str]:
    is_customer = message.sender.role == "customer"
    return {
        "role": "user" if is_customer else "assistant",
        "type": "question" if is_customer else "answer",
        "content": message.content,
        "content_type": "text",
    }
