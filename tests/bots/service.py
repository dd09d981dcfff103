"""A remote service on a real socket that speaks what the test scripts: streams in any pieces, errors, silence, cuts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from aiohttp import web

from chatws.bots import Bot, BotRequest, HandOff
from chatws.protocol.entities import Message, Role, User

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]
End = Literal["close", "hang", "cut"]


class Service:
    """Answers every request with the same script, and remembers what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        self.script: Script = stream()
        self.reader_gone = asyncio.Event()
        """Set when a client leaves a response that hangs."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json())
        try:
            return await self.script(request)
        except asyncio.CancelledError:
            self.reader_gone.set()
            raise


def stream(*chunks: bytes, end: End = "close") -> Script:
    """Send an event stream in exactly these pieces, each in a TCP segment of its own."""

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        if end == "hang":
            await asyncio.Event().wait()
        if end == "cut":
            assert request.transport is not None
            request.transport.close()
        return response

    return script


def answer(status: int, body: Any, **headers: str) -> Script:
    """Send one JSON response."""

    async def script(request: web.Request) -> web.StreamResponse:
        del request
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)

    return script


async def hang(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError(request)


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@asynccontextmanager
async def running_service() -> AsyncIterator[Service]:
    """Run a service on a free port."""
    service = Service()
    app = web.Application()
    app.router.add_post("/{path:.*}", service.handle)
    # Cancels a handler whose client has gone, so that a test can see it.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


def said(content: str, role: Role = "customer", seq: int = 1) -> Message:
    """Make a message."""
    sender = User(user_id=f"{role}-1", user_name=role.title(), role=role)
    return Message(
        conversation_id="conv-1",
        content=content,
        sender=sender,
        timestamp="2025-10-28T09:30:00.000Z",
        message_id=f"message-{seq}",
        seq=seq,
    )


def ask_about(content: str, *history: Message) -> BotRequest:
    """Make a turn."""
    return BotRequest("conv-1", said(content, seq=len(history) + 1), history)


async def pieces_of(bot: Bot, turn: BotRequest) -> list[str | HandOff]:
    """Ask the bot and return everything it says."""
    return [piece async for piece in bot.answer(turn)]


def text_of(pieces: Sequence[str | HandOff]) -> str:
    """Join the text among the pieces."""
    return "".join(piece for piece in pieces if isinstance(piece, str))


def event_bytes(data: Any, name: str = "") -> bytes:
    """Write one event as OpenAI (with a space) or, with a name, as Coze (without one) does."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"event:{name}\ndata:{text}\n\n".encode() if name else f"data: {text}\n\n".encode()
