"""Bot that calls a webhook of the operator.

The webhook receives ``POST {conversationId, message, history}`` with messages in the format of the chat protocol. It
responds with ``{"reply": "...", "handoff": true, "reason": "..."}``, each field optional, as JSON or as the data of
server-sent events with pieces of one reply, ended by ``[DONE]``, ``event: done`` or the end of the response.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from chatws.bots.http_bot import EVENTS, HttpBotClient
from chatws.bots.interface import BotRequest, HandOff
from chatws.protocol.entities import Message, Wire

DONE = "[DONE]"


class WebhookRequest(Wire, frozen=True, kw_only=True):
    """Body of a request."""

    conversation_id: str
    message: Message
    history: tuple[Message, ...]


class WebhookResponse(msgspec.Struct, frozen=True):
    """Response, or one piece of it."""

    reply: str | None = None
    handoff: bool = False
    reason: str | None = None


class WebhookBot:
    """Client of a webhook."""

    name = "webhook"
    reads_history = True

    def __init__(self, client: HttpBotClient) -> None:
        self._client = client

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the replies; a hand-off ends them."""
        body = WebhookRequest(conversation_id=request.conversation_id, message=request.message, history=request.history)
        async with self._client.post("", body) as response:
            if response.content_type != EVENTS:
                for piece in _pieces(self._client.decode(await self._client.read(response) or b"{}", WebhookResponse)):
                    yield piece
                return
            async with aclosing(self._client.events(response)) as events:
                async for event in events:
                    if event.data == DONE or event.name == "done":
                        return
                    for piece in _pieces(self._client.decode(event.data, WebhookResponse)):
                        yield piece

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def _pieces(response: WebhookResponse) -> list[str | HandOff]:
    pieces: list[str | HandOff] = [response.reply] if response.reply else []
    if response.handoff:
        pieces.append(HandOff(response.reason or "the bot handed off"))
    return pieces
