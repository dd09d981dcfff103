"""Socket.IO server: HTTP routes, handshakes, namespaces, shutdown."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import hdrs, web

from chatws.engine.admission import AdmissionRefused
from chatws.engine.connection import SocketIOConnection
from chatws.engine.context import EngineContext
from chatws.engine.events import DisconnectReason, Handshake
from chatws.engine.http import (
    MAX_HEADER_CHARS,
    BadRequest,
    EngineRequest,
    RequestError,
    error_response,
    parse_request,
    read_handshake,
    refused_response,
)
from chatws.engine.namespace import Namespace
from chatws.engine.options import EngineOptions, EngineStats
from chatws.engine.origin import (
    TrustedProxies,
    cors_headers,
    origin_allowed,
    peer_address,
    preflight_headers,
)
from chatws.engine.polling import PollingTransport
from chatws.engine.polling_handlers import handle_get, handle_post, text_response
from chatws.engine.session import EngineSession
from chatws.engine.session_registry import SessionRegistry
from chatws.engine.transport import PacketReceiver, Transport
from chatws.engine.upgrade import upgrade
from chatws.engine.upgrade_request import HttpRequest, UpgradeRequest
from chatws.engine.websocket import accept_websocket
from chatws.engine.ws_handshake import UpgradedResponse, handshake_response
from chatws.wire.engineio import EnginePacketType, OpenPayload
from chatws.wire.errors import CloseCode
from chatws.wire.frames import server_frame
from chatws.wire.socketio import MAIN_NAMESPACE

_SHUTDOWN_S = 5.0


class Server:
    """Server of Socket.IO v5 over Engine.IO v4 inside an aiohttp application."""

    def __init__(
        self,
        options: EngineOptions | None = None,
        *,
        make_receiver: Callable[[EngineSession], PacketReceiver] | None = None,
    ) -> None:
        """Create a server; ``make_receiver`` replaces Socket.IO by another protocol above Engine.IO."""
        self._context = EngineContext(options or EngineOptions())
        self._registry = SessionRegistry(self._context)
        self._trusted = TrustedProxies.parse(self.options.trusted_proxies)
        bare_path = self.options.path.rstrip("/")
        self._paths = (bare_path, f"{bare_path}/")
        self._namespaces: dict[str, Namespace] = {}
        self._make_receiver = make_receiver or (lambda session: SocketIOConnection(session, self._namespaces))

    @property
    def options(self) -> EngineOptions:
        """Options given to the constructor, or the defaults."""
        return self._context.options

    @property
    def stats(self) -> EngineStats:
        """Counters."""
        return self._context.stats

    @property
    def sessions(self) -> Mapping[str, EngineSession]:
        """Read-only view of the open sessions by Engine.IO session id."""
        return self._registry.sessions

    @property
    def session_count(self) -> int:
        """Number of open sessions, admitted or not."""
        return len(self._registry.sessions)

    @property
    def websocket_count(self) -> int:
        """Number of open WebSockets, including those whose session is closed."""
        return len(self._context.connections)

    @property
    def unadmitted_count(self) -> int:
        """Number of open sessions that were never admitted."""
        return self._context.admission.unadmitted

    def sessions_by_transport(self) -> Counter[str]:
        """Count the open sessions by their current transport."""
        return Counter(session.transport.name for session in self._registry.sessions.values())

    def outbox_bytes(self) -> tuple[int, int]:
        """Return sum and maximum of the bytes that wait for clients."""
        waiting = [session.transport.buffered_bytes() for session in self._registry.sessions.values()]
        return sum(waiting), max(waiting, default=0)

    def of(self, name: str = MAIN_NAMESPACE) -> Namespace:
        """Return a namespace, created on first use; CONNECT to any other namespace is refused."""
        namespace = self._namespaces.get(name)
        if namespace is None:
            namespace = self._namespaces[name] = Namespace(self._context, name)
        return namespace

    def attach(self, app: web.Application) -> None:
        """Add the routes, with and without trailing slash, and close all sessions at the application's shutdown."""
        for path in self._paths:
            app.router.add_route("*", path, self.handle)
        app.on_shutdown.append(self._on_shutdown)

    def take_upgrade(self, request: UpgradeRequest) -> bool:
        """Open the session of an upgrade request on its connection; return False if `handle` must respond instead."""
        if request.path not in self._paths or not self.origin_allowed(request):
            return False
        try:
            if parse_request(request, self.options).sid is not None:
                return False
            self._open_websocket(request)
        except (RequestError, AdmissionRefused, ConnectionError, web.HTTPBadRequest):
            return False
        return True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to one HTTP request of a client."""
        response = await self._respond(request)
        if hdrs.UPGRADE in request.headers:
            # aiohttp would parse frames behind a refused upgrade as requests and log a traceback for each.
            response.force_close()
        return response

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if not self.origin_allowed(request):
            self._context.stats.refused_total["origin"] += 1
            origin = request.headers[hdrs.ORIGIN][:MAX_HEADER_CHARS]
            self._context.log.write_once(logging.WARNING, "engine.origin_refused", kind="origin", origin=origin)
            return error_response(RequestError(BadRequest.FORBIDDEN, 403), {})
        headers = cors_headers(request, self.options.allowed_origins)
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={**headers, **preflight_headers()})
        try:
            return await self._route(request, parse_request(request, self.options), headers)
        except RequestError as failure:
            return error_response(failure, headers)
        except AdmissionRefused as refused:
            self._context.stats.refused_total[refused.reason] += 1
            return refused_response(refused, headers)
        except ConnectionError:
            # The client has disconnected and will not read the response.
            return error_response(RequestError(BadRequest.BAD_REQUEST), headers)

    def peer_address(self, request: HttpRequest) -> str:
        """Return the client's address, see ``origin.peer_address``."""
        return peer_address(request, self._trusted)

    def origin_allowed(self, request: HttpRequest) -> bool:
        """Return True if pages of the request's origin may use this server, see ``origin.origin_allowed``."""
        return origin_allowed(request, self.options.allowed_origins, self._trusted)

    def refuse_new(self, retry_after_s: int) -> None:
        """Answer every new handshake with 503 from now on; open sessions continue."""
        self._context.admission.refuse_new(retry_after_s)

    async def handlers_idle(self, timeout_s: float) -> bool:
        """Wait until no handler of the program runs; return False if one still does after ``timeout_s``."""
        return await self._context.handlers_idle(timeout_s)

    async def polls_taken(self, timeout_s: float) -> bool:
        """Wait until no packet waits for a poll; return False if one still does after ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                for session in list(self._registry.sessions.values()):
                    if isinstance(session.transport, PollingTransport):
                        await session.transport.wait_until_polled()
        except TimeoutError:
            return False
        return True

    async def close_all(self, code: int = CloseCode.RESTART, *, batch: int = 100, interval_s: float = 0.05) -> None:
        """Close all sessions without DISCONNECT, ``batch`` at a time: the clients reconnect automatically."""
        sessions = list(self._registry.sessions.values())
        for start in range(0, len(sessions), batch):
            if start:
                await asyncio.sleep(interval_s)
            for session in sessions[start : start + batch]:
                session.close(DisconnectReason.SHUTTING_DOWN, code)

    async def close(self) -> None:
        """Refuse new sessions, close all sessions and wait for their tasks and connections to end."""
        self.refuse_new(1)
        await self.close_all()
        await self._context.shut_down(_SHUTDOWN_S)

    async def _on_shutdown(self, _app: web.Application) -> None:
        await self.close()

    async def _route(
        self, request: web.Request, engine_request: EngineRequest, headers: dict[str, str]
    ) -> web.StreamResponse:
        is_polling = engine_request.transport == "polling"
        sid = engine_request.sid
        if sid is None:
            if is_polling:
                return self._open_polling(request, headers)
            self._open_websocket(request)
            return UpgradedResponse()
        session = self._registry.sessions.get(sid)
        if session is not None and not is_polling:
            return upgrade(self._context, session, request)
        transport = self._registry.last_poll(sid) if session is None else session.transport
        if transport is None or (session is None and engine_request.method != "GET"):
            raise RequestError(BadRequest.SESSION_UNKNOWN)
        if not is_polling or not isinstance(transport, PollingTransport):
            raise RequestError(BadRequest.BAD_REQUEST)
        if session is None and request.transport is not None:
            self._registry.discard_last_poll(sid)
        handle = handle_get if engine_request.method == "GET" else handle_post
        return await handle(self._context, transport, request, headers)

    def open_session(self, handshake: Handshake, make_transport: Callable[[EngineSession], Transport]) -> EngineSession:
        """Open a session over a transport that the caller feeds; without OPEN, which the caller sends if needed.

        Raises:
            AdmissionRefused: the server drains, or a limit is reached.
        """
        session = self._new_session(handshake)
        session.open(make_transport(session), self._make_receiver(session))
        self._registry.add(session)
        return session

    def _open_polling(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        handshake = read_handshake(request, self._trusted)
        session = self.open_session(handshake, lambda opened: PollingTransport(self._context, opened))
        upgrades = ["websocket"] if "websocket" in self.options.transports else []
        return text_response(self._open_packet(session, upgrades), headers)

    def _open_websocket(self, request: HttpRequest) -> None:
        # First: a request that is not valid must not count as a new session, neither here nor again in ``handle``.
        response = handshake_response(request)
        session = self._new_session(read_handshake(request, self._trusted))
        try:
            transport = accept_websocket(self._context, request, response)
        except BaseException:
            self._context.admission.release(session.handshake.address, was_admitted=False)
            raise
        session.open(transport, self._make_receiver(session))
        self._registry.add(session)
        transport.attach(session)
        session.send(server_frame(self._open_packet(session, upgrades=[])))
        transport.start()

    def _new_session(self, handshake: Handshake) -> EngineSession:
        self._context.admission.acquire(handshake.address)
        return EngineSession(self._context, self._registry, secrets.token_urlsafe(15), handshake)

    def _open_packet(self, session: EngineSession, upgrades: list[str]) -> bytes:
        options = self.options
        payload = OpenPayload(
            session.sid,
            upgrades,
            round(options.ping_interval_s * 1000),
            round(options.ping_timeout_s * 1000),
            options.max_payload_bytes,
        )
        return EnginePacketType.OPEN.value.encode() + msgspec.json.encode(payload)
