"""Bot that uses an OpenAI-compatible ``POST /chat/completions``, streamed (OpenAI API, Chat Completions).

Services that return one JSON object instead of the requested stream are supported, too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec

from chatws.bots.handoff_marker import MARKER, replace_marker
from chatws.bots.http_bot import EVENTS, HttpBotClient
from chatws.bots.interface import BotError, BotRequest, FailureReason, HandOff
from chatws.protocol.entities import Message

DONE = "[DONE]"

DEFAULT_PROMPT = (
    "You answer the customers of a company in its support chat: briefly, politely, in the customer's language, and "
    f"without inventing facts. Write {MARKER} to hand the customer to a human: when you are asked to, or cannot help."
)


class _Text(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: str | None = None

    @property
    def text(self) -> str:
        return (self.delta and self.delta.content) or (self.message and self.message.content) or ""


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] = []
    error: _Error | str | None = None


class OpenAIBot:
    """Client of a language model."""

    name = "openai"
    reads_history = True

    def __init__(self, client: HttpBotClient, model: str, prompt: str | None = None) -> None:
        self._client = client
        self._model = model
        self._prompt = prompt or DEFAULT_PROMPT

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the model's text as it is generated; the marker becomes a hand-off."""
        async with aclosing(replace_marker(self._complete(request))) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _complete(self, request: BotRequest) -> AsyncGenerator[str]:
        messages = [{"role": "system", "content": self._prompt}, *map(_to_openai, (*request.history, request.message))]
        body = {"model": self._model, "messages": messages, "stream": True}
        async with self._client.post("/chat/completions", body) as response:
            if response.content_type != EVENTS:
                yield self._read(self._client.decode(await self._client.read(response), _Chunk)).text
                return
            finished = False
            async with aclosing(self._client.events(response)) as events:
                async for event in events:
                    if event.data == DONE:
                        return
                    choice = self._read(self._client.decode(event.data, _Chunk))
                    finished = finished or choice.finish_reason is not None
                    if choice.text:
                        yield choice.text
            if not finished:
                raise self._client.error("the stream ended before the reply was complete", FailureReason.CUT)

    def _read(self, chunk: _Chunk) -> _Choice:
        if chunk.error is not None:
            raise self._failure(chunk.error)
        return chunk.choices[0] if chunk.choices else _Choice()

    def _failure(self, error: _Error | str) -> BotError:
        if isinstance(error, str):
            return self._client.error(error, FailureReason.FAILED)
        description = f"{error.code} {error.type}"
        limited = "429" in description or "rate_limit" in description or "insufficient_quota" in description
        return self._client.error(
            error.message or description, FailureReason.RATE_LIMITED if limited else FailureReason.FAILED
        )


def _to_openai(message: Message) -> dict[str, str]:
    return {"role": "user" if message.sender.role == "customer" else "assistant", "content": message.content}
