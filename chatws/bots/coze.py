"""Bot that uses the Coze API: ``POST /v3/chat``, streamed (Coze API, Chat v3).

Only messages of type ``answer`` are sent to the customer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec

from chatws.bots.handoff_marker import replace_marker
from chatws.bots.http_bot import EVENTS, HttpBotClient
from chatws.bots.interface import BotError, BotRequest, FailureReason, HandOff
from chatws.bots.sse import ServerSentEvent
from chatws.protocol.entities import Message

RATE_LIMIT_CODES = frozenset({4013, 429})
"""Error codes of Coze for too many requests, sent with HTTP 200."""

DELTA = "conversation.message.delta"
MESSAGE_COMPLETED = "conversation.message.completed"
CHAT_COMPLETED = "conversation.chat.completed"
FAILED_EVENTS = frozenset(
    {"conversation.chat.failed", "conversation.chat.requires_action", "conversation.chat.canceled"}
)
"""Events that end a chat without a complete reply."""


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
    """Client of a Coze bot. Each request includes the history, so Coze does not need to save it."""

    name = "coze"
    reads_history = True

    def __init__(self, client: HttpBotClient, bot_id: str) -> None:
        self._client = client
        self._bot_id = bot_id

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the bot's reply as it is generated; the marker becomes a hand-off."""
        async with aclosing(replace_marker(self._chat(request))) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _chat(self, request: BotRequest) -> AsyncGenerator[str]:
        body = {
            "bot_id": self._bot_id,
            "user_id": request.message.sender.user_id,
            "stream": True,
            "auto_save_history": False,
            "additional_messages": [_to_coze(message) for message in (*request.history, request.message)],
        }
        async with self._client.post("/v3/chat", body) as response:
            if response.content_type != EVENTS:
                # Coze sends errors as JSON with HTTP 200.
                raise self._failure(self._client.decode(await self._client.read(response), _Status))
            async with aclosing(self._client.events(response)) as events:
                async for piece in self._read(events):
                    yield piece

    async def _read(self, events: AsyncGenerator[ServerSentEvent]) -> AsyncGenerator[str]:
        started: list[str] = []  # ids of the messages yielded so far, completely or in part
        async for event in events:
            if event.name in {CHAT_COMPLETED, "done"}:
                return
            if event.name == "error":
                raise self._failure(self._client.decode(event.data, _Status))
            if event.name in FAILED_EVENTS:
                chat = self._client.decode(event.data, _Chat)
                raise self._failure(chat.last_error or _Status(msg=event.name))
            if event.name not in {DELTA, MESSAGE_COMPLETED}:
                continue
            message = self._client.decode(event.data, _Message)
            if not message.answer or (event.name == MESSAGE_COMPLETED and message.id in started):
                continue
            if message.id not in started:
                if started:
                    yield "\n\n"
                started.append(message.id)
            yield message.answer
        raise self._client.error("the stream ended before the reply was complete", FailureReason.CUT)

    def _failure(self, status: _Status) -> BotError:
        reason = FailureReason.RATE_LIMITED if status.code in RATE_LIMIT_CODES else FailureReason.FAILED
        return self._client.error(f"{status.code} {status.msg}", reason)


def _to_coze(message: Message) -> dict[str, str]:
    is_customer = message.sender.role == "customer"
    return {
        "role": "user" if is_customer else "assistant",
        "type": "question" if is_customer else "answer",
        "content": message.content,
        "content_type": "text",
    }
