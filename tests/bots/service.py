"""Fake bot service on a real socket with scripted responses: streams in any chunks, errors, hangs, disconnects."""

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


class FakeBotService:
    """Responds to every request with the same script, and records the requests."""

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        self.script: Script = stream()
        self.client_disconnected = asyncio.Event()
        """Set when a client disconnects from a hung response."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json())
        try:
            return await self.script(request)
        except asyncio.CancelledError:
            self.client_disconnected.set()
            raise


def stream(*chunks: bytes, end: End = "close") -> Script:
    """Send an event stream in exactly these chunks, each in its own TCP segment."""

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
    """Never respond."""
    await asyncio.Event().wait()
    raise AssertionError(request)


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of responding."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@asynccontextmanager
async def running_service() -> AsyncIterator[FakeBotService]:
    """Run a fake service on a free port."""
    service = FakeBotService()
    app = web.Application()
    app.router.add_post("/{path:.*}", service.handle)
    # Cancels the handler of a disconnected client, so that a test can detect it.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


def make_message(content: str, role: Role = "customer", seq: int = 1) -> Message:
    """Return a message."""
    sender = User(user_id=f"{role}-1", user_name=role.title(), role=role)
    return Message(
        conversation_id="conv-1",
        content=content,
        sender=sender,
        timestamp="2025-10-28T09:30:00.000Z",
        message_id=f"message-{seq}",
        seq=seq,
    )


def make_request(content: str, *history: Message) -> BotRequest:
    """Return a request."""
    return BotRequest("conv-1", make_message(content, seq=len(history) + 1), history)


async def pieces_of(bot: Bot, request: BotRequest) -> list[str | HandOff]:
    """Return the whole reply of the bot."""
    return [piece async for piece in bot.answer(request)]


def text_of(pieces: Sequence[str | HandOff]) -> str:
    """Join the text among the pieces."""
    return "".join(piece for piece in pieces if isinstance(piece, str))


def event_bytes(data: Any, name: str = "") -> bytes:
    """Encode an event like OpenAI (with a space) or, with a name, like Coze (without a space)."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"event:{name}\ndata:{text}\n\n".encode() if name else f"data: {text}\n\n".encode()
