"""A bot behind an OpenAI-compatible ``POST /chat/completions``, streamed (OpenAI API reference, Chat Completions).

Services that answer with one JSON object although a stream was asked for are understood, too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec

from chatws.bots.handoff_marker import MARKER, watch_for_marker
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


class _Problem(msgspec.Struct, frozen=True):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] = []
    error: _Problem | str | None = None


class OpenAIBot:
    """Asks a language model."""

    name = "openai"
    reads_history = True

    def __init__(self, remote: HttpBotClient, model: str, prompt: str | None = None) -> None:
        self._remote = remote
        self._model = model
        self._prompt = prompt or DEFAULT_PROMPT

    async def answer(self, turn: BotRequest) -> AsyncIterator[str | HandOff]:
        """Yield the model's text as it is written; the marker becomes a hand-off."""
        async with aclosing(watch_for_marker(self._complete(turn))) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Close every connection."""
        await self._remote.close()

    async def _complete(self, turn: BotRequest) -> AsyncGenerator[str]:
        said = [{"role": "system", "content": self._prompt}, *map(_said, (*turn.history, turn.message))]
        body = {"model": self._model, "messages": said, "stream": True}
        async with self._remote.post("/chat/completions", body) as response:
            if response.content_type != EVENTS:
                yield self._read(self._remote.decode(await self._remote.read(response), _Chunk)).text
                return
            finished = False
            async with aclosing(self._remote.events(response)) as events:
                async for event in events:
                    if event.data == DONE:
                        return
                    choice = self._read(self._remote.decode(event.data, _Chunk))
                    finished = finished or choice.finish_reason is not None
                    if choice.text:
                        yield choice.text
            if not finished:
                raise self._remote.error("the stream ended before the answer did", FailureReason.CUT)

    def _read(self, chunk: _Chunk) -> _Choice:
        if chunk.error is not None:
            raise self._failure(chunk.error)
        return chunk.choices[0] if chunk.choices else _Choice()

    def _failure(self, problem: _Problem | str) -> BotError:
        if isinstance(problem, str):
            return self._remote.error(problem, FailureReason.FAILED)
        words = f"{problem.code} {problem.type}"
        limited = "429" in words or "rate_limit" in words or "insufficient_quota" in words
        return self._remote.error(
            problem.message or words, FailureReason.RATE_LIMITED if limited else FailureReason.FAILED
        )


def _said(message: Message) -> dict[str, str]:
    return {"role": "user" if message.sender.role == "customer" else "assistant", "content": message.content}
