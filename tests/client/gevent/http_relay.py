"""HTTP relay in front of a Socket.IO server, which sends replies in small chunks and can refuse WebSockets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    import ssl

CHUNK_BYTES = 7
COOKIE = "node"
STOP_S = 0.02


class HttpRelay:
    """Relay to ``target``, an URL that may change; its attributes select the faults."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.refuses_websockets = False
        self.holds_websockets = False
        """WebSockets do not open until `open_websockets`."""
        self.posts_to_lose = 0
        """Number of POSTs that the server shall receive, but not the client the responses."""
        self.keeps_alive = True
        self.cookies: list[str | None] = []
        """Cookie of each request."""
        self.losses = 0
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._relay)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        assert self._http is not None
        for site in list(self._runner.sites):
            await site.stop()
        # A connection accepted before that is known to the runner, which has to close it, some iterations later.
        await asyncio.sleep(STOP_S)
        await self._runner.cleanup()
        await self._http.close()

    def open_websockets(self) -> None:
        """Open the WebSockets held so far, and all later ones at once; called from another thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._opening.set)

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        self.cookies.append(request.cookies.get(COOKIE))
        if "Upgrade" in request.headers:
            return await self._relay_websocket(request)
        assert self._http is not None
        url, body = f"{self.target}{request.path_qs}", await request.read()
        headers = {"Accept-Encoding": "identity"} | ({"Content-Type": "text/plain;charset=UTF-8"} if body else {})
        async with self._http.request(request.method, url, data=body or None, headers=headers) as upstream:
            content = await upstream.read()
        # The first body has the handshake or CONNECT, which precede every message.
        if b"send_message" in body and self.posts_to_lose:
            self.posts_to_lose -= 1
            self.losses += 1
            assert request.transport is not None
            request.transport.abort()
        response = web.StreamResponse(status=upstream.status)
        response.set_cookie(COOKIE, "a")
        response.enable_chunked_encoding()
        if not self.keeps_alive:
            response.headers["Connection"] = "close"
        await response.prepare(request)
        for at in range(0, len(content), CHUNK_BYTES):
            await response.write(content[at : at + CHUNK_BYTES])
        await response.write_eof()
        return response

    async def _relay_websocket(self, request: web.Request) -> web.StreamResponse:
        assert self._http is not None
        if self.refuses_websockets:
            return web.Response(status=400)
        if self.holds_websockets:
            await self._opening.wait()
        client = web.WebSocketResponse()
        await client.prepare(request)
        async with self._http.ws_connect(f"{self.target}{request.path_qs}") as server:
            copying = [asyncio.create_task(_copy(client, server)), asyncio.create_task(_copy(server, client))]
            await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
            for task in copying:
                task.cancel()
            await asyncio.gather(*copying, return_exceptions=True)
        return client


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _copy(source: Socket, sink: Socket) -> None:
    with suppress(ConnectionError):
        async for message in source:
            await sink.send_str(message.data)
        await sink.close()
