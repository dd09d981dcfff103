"""A bot behind the operator's own HTTP address.

It gets ``POST {conversationId, message, history}`` with messages in the shape of the chat's contract, and answers with
``{"reply": "...", "handoff": true, "reason": "..."}``, each of them optional, as JSON or as the data of server-sent
events whose replies are pieces of one answer; ``[DONE]``, ``event: done`` or the end of the response ends them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from chatws.bots.http_bot import EVENTS, HttpBotClient
from chatws.bots.interface import BotRequest, HandOff
from chatws.protocol.entities import Message, Wire

DONE = "[DONE]"


class WebhookQuestion(Wire, frozen=True, kw_only=True):
    """What the address is sent."""

    conversation_id: str
    message: Message
    history: tuple[Message, ...]


class WebhookAnswer(msgspec.Struct, frozen=True):
    """What it says, or a piece of it."""

    reply: str | None = None
    handoff: bool = False
    reason: str | None = None


class WebhookBot:
    """Asks an address."""

    name = "webhook"
    reads_history = True

    def __init__(self, remote: HttpBotClient) -> None:
        self._remote = remote

    async def answer(self, turn: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the replies; a hand-off ends them."""
        question = WebhookQuestion(conversation_id=turn.conversation_id, message=turn.message, history=turn.history)
        async with self._remote.post("", question) as response:
            if response.content_type != EVENTS:
                for piece in _pieces(self._remote.decode(await self._remote.read(response) or b"{}", WebhookAnswer)):
                    yield piece
                return
            async with aclosing(self._remote.events(response)) as events:
                async for event in events:
                    if event.data == DONE or event.name == "done":
                        return
                    for piece in _pieces(self._remote.decode(event.data, WebhookAnswer)):
                        yield piece

    async def close(self) -> None:
        """Close every connection."""
        await self._remote.close()


def _pieces(answer: WebhookAnswer) -> list[str | HandOff]:
    pieces: list[str | HandOff] = [answer.reply] if answer.reply else []
    if answer.handoff:
        pieces.append(HandOff(answer.reason or "the bot handed off"))
    return pieces
