"""Server for the client under test: the scripted chat on the engine, behind a proxy that injects network faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Self

from aiohttp import web
from aiohttp.typedefs import Handler as HttpHandler

from chatws.engine import EngineOptions, Server
from chatws.server.frontend.pages import Pages
from chatws.settings import Settings
from chatws_loadtest.client_check.scripted_chat import ScriptedChat
from chatws_loadtest.client_check.scripted_rest import ScriptedRest
from chatws_loadtest.client_check.traffic import Traffic, TrafficKind
from chatws_loadtest.proxy import HOST, FaultProxy

PING_INTERVAL_S: Final = 1.0
PING_TIMEOUT_S: Final = 5.0
"""Longer than a busy machine delays a client: a missed PONG would count against it.

Beside two busy processes, a page that draws 200 messages takes more than 2 s.
"""

HttpFault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""Response to an HTTP request in place of the server's; None: the server responds."""

OPTIONS: Final = EngineOptions(
    ping_interval_s=PING_INTERVAL_S,
    ping_timeout_s=PING_TIMEOUT_S,
    allowed_origins="*",
    new_sessions_per_address_per_s=10_000,
    new_sessions_per_s=10_000,
)

PAGE_SETTINGS: Final = Settings(mode="prod", widget_origins=("*",))
"""Settings of the widget and the dashboard, which sites of every origin may embed for the check."""


class FaultServer:
    """Server on a loopback port; used as an async context manager, it behaves until a fault is injected.

    It also serves the widget and the dashboard, so that they and the sites that embed the widget can be checked.
    """

    def __init__(self, port: int = 0) -> None:
        self.traffic = Traffic()
        self.http_fault: HttpFault | None = None
        self._io = Server(OPTIONS)
        self.chat = ScriptedChat(self._io.of(), self.traffic)
        self.proxy = FaultProxy(HOST, 0)
        self._port = port
        # Set by ``__aenter__``.
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._inject])
        Pages(PAGE_SETTINGS).add_routes(app.router)
        ScriptedRest(self.chat).attach(app)
        self._io.attach(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self.proxy = FaultProxy(HOST, self._runner.addresses[0][1], listen_port=self._port)
        await self.proxy.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self.proxy.__aexit__()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Address for the client."""
        return self.proxy.url

    def cut(self) -> None:
        """Reset every TCP connection, and end its session; the client may reconnect at once."""
        self.proxy.reset_all()
        # A browser repeats a poll whose connection was reset, and its page would not notice.
        for socket in self.chat.sockets:
            socket.close_transport()

    def kill(self) -> None:
        """Reset every TCP connection, and every new one until `heal`, as if the process had been killed."""
        self.http_fault = _abort
        self.cut()

    def heal(self) -> None:
        """End all faults; connections that were cut stay cut."""
        self.http_fault = None
        self.chat.heal()
        self.proxy.thaw()

    @web.middleware
    async def _inject(self, request: web.Request, handler: HttpHandler) -> web.StreamResponse:
        if request.method == "GET" and "EIO" in request.query and "sid" not in request.query:
            self.traffic.add(TrafficKind.ATTEMPT, name=request.query.get("transport", ""))
        response = None if self.http_fault is None else await self.http_fault(request)
        return await handler(request) if response is None else response


async def _abort(request: web.Request) -> web.StreamResponse | None:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
