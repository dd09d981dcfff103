"""The Socket.IO server: routes, handshakes, namespaces, the end of all sessions."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable

import msgspec
from aiohttp import hdrs, web

from chatws.engine.admission import AdmissionRefused
from chatws.engine.connection import SocketIOConnection
from chatws.engine.context import EngineContext
from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.http import (
    MAX_HEADER_CHARS,
    BadRequest,
    EngineRequest,
    RequestError,
    error_response,
    read_handshake,
    read_question,
    refused_response,
)
from chatws.engine.namespace import Namespace
from chatws.engine.options import EngineOptions
from chatws.engine.origin import (
    TrustedProxies,
    cors_headers,
    origin_allowed,
    peer_address,
    preflight_headers,
)
from chatws.engine.polling import PollingTransport
from chatws.engine.polling_handlers import answer_poll, take_post, text_response
from chatws.engine.session import EngineSession
from chatws.engine.stats import EngineStats
from chatws.engine.transport import PacketReceiver
from chatws.engine.upgrade import upgrade
from chatws.engine.websocket import accept_websocket
from chatws.engine.ws_handshake import UpgradedResponse
from chatws.wire.engineio import EnginePacketType, OpenPayload
from chatws.wire.errors import CloseCode
from chatws.wire.frames import server_frame
from chatws.wire.socketio import MAIN_NAMESPACE

_SHUTDOWN_S = 5.0


class Server:
    """Serves Socket.IO v5 over Engine.IO v4 inside an aiohttp application."""

    def __init__(
        self,
        options: EngineOptions | None = None,
        *,
        make_receiver: Callable[[EngineSession], PacketReceiver] | None = None,
    ) -> None:
        """Make a server; ``make_receiver`` replaces Socket.IO by another protocol above Engine.IO."""
        self._core = EngineContext(options or EngineOptions())
        self._trusted = TrustedProxies.parse(self.options.trusted_proxies)
        self._namespaces: dict[str, Namespace] = {}
        self._make_receiver = make_receiver or (lambda session: SocketIOConnection(session, self._namespaces))

    @property
    def options(self) -> EngineOptions:
        """What the server was told."""
        return self._core.options

    @property
    def stats(self) -> EngineStats:
        """Counters."""
        return self._core.stats

    @property
    def session_count(self) -> int:
        """Open sessions, admitted or not."""
        return len(self._core.sessions)

    @property
    def unadmitted_count(self) -> int:
        """Open sessions that are nobody yet."""
        return self._core.limits.unadmitted

    def sessions_by_transport(self) -> Counter[str]:
        """Count the open sessions by the transport of the moment."""
        return Counter(session.link.name for session in self._core.sessions.values())

    def outbox_bytes(self) -> tuple[int, int]:
        """Sum and maximum of the bytes that wait for clients."""
        waiting = [session.link.buffered_bytes() for session in self._core.sessions.values()]
        return sum(waiting), max(waiting, default=0)

    def of(self, name: str = MAIN_NAMESPACE) -> Namespace:
        """Give a namespace, declaring it if needed; clients of undeclared ones are refused."""
        namespace = self._namespaces.get(name)
        if namespace is None:
            namespace = self._namespaces[name] = Namespace(self._core, name)
        return namespace

    def attach(self, app: web.Application) -> None:
        """Add the routes, with and without the last slash, and the end of all sessions at shutdown."""
        bare = self.options.path.rstrip("/")
        for path in (bare, f"{bare}/"):
            app.router.add_route("*", path, self.handle)
        app.on_shutdown.append(self._on_shutdown)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request of a client."""
        response = await self._respond(request)
        if hdrs.UPGRADE in request.headers:
            # Frames behind an upgrade that was refused would be taken for requests: aiohttp logs a traceback for each.
            response.force_close()
        return response

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if not self.origin_allowed(request):
            self._core.stats.refused_total["origin"] += 1
            self._core.faults.warning_once(
                "engine.origin_refused", "origin", request.headers[hdrs.ORIGIN][:MAX_HEADER_CHARS]
            )
            return error_response(RequestError(BadRequest.FORBIDDEN, 403), {})
        headers = cors_headers(request, self.options.allowed_origins)
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={**headers, **preflight_headers()})
        try:
            return await self._answer(request, read_question(request, self.options), headers)
        except RequestError as failure:
            return error_response(failure, headers)
        except AdmissionRefused as refused:
            self._core.stats.refused_total[refused.reason] += 1
            return refused_response(refused, headers)
        except ConnectionError:
            # Nobody is there to read it.
            return error_response(RequestError(BadRequest.BAD_REQUEST), headers)

    def peer_address(self, request: web.BaseRequest) -> str:
        """Give the client's own address, see ``origin.peer_address``."""
        return peer_address(request, self._trusted)

    def origin_allowed(self, request: web.BaseRequest) -> bool:
        """Tell whether a page of the request's origin may talk to us, see ``origin.origin_allowed``."""
        return origin_allowed(request, self.options.allowed_origins, self._trusted)

    def refuse_new(self, retry_after_s: int) -> None:
        """Answer every new handshake with 503 from now on; sessions that exist go on."""
        self._core.limits.refuse_new(retry_after_s)

    async def handlers_idle(self, timeout_s: float) -> bool:
        """Wait until no handler of the program runs; False when some still do after ``timeout_s``."""
        return await self._core.handlers_idle(timeout_s)

    async def polls_taken(self, timeout_s: float) -> bool:
        """Wait until no client has something to fetch by a poll; False when one still has after ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                for session in list(self._core.sessions.values()):
                    if isinstance(session.link, PollingTransport):
                        await session.link.emptied()
        except TimeoutError:
            return False
        return True

    async def close_all(self, code: int = CloseCode.RESTART, *, batch: int = 100, interval_s: float = 0.05) -> None:
        """Close all sessions without DISCONNECT, ``batch`` at a time: the clients reconnect by themselves."""
        sessions = list(self._core.sessions.values())
        for start in range(0, len(sessions), batch):
            if start:
                await asyncio.sleep(interval_s)
            for session in sessions[start : start + batch]:
                session.close(DisconnectReason.SHUTTING_DOWN, code)

    async def close(self) -> None:
        """Close what is open and wait for what runs; nothing of the server is left after it."""
        self.refuse_new(1)
        await self.close_all()
        await self._core.finish(_SHUTDOWN_S)

    async def _on_shutdown(self, _app: web.Application) -> None:
        await self.close()

    async def _answer(
        self, request: web.Request, question: EngineRequest, headers: dict[str, str]
    ) -> web.StreamResponse:
        is_polling = question.transport == "polling"
        if question.sid is None:
            return self._open_polling(request, headers) if is_polling else self._open_websocket(request)
        session = self._core.sessions.get(question.sid)
        if session is not None and not is_polling:
            return upgrade(self._core, session, request)
        link = self._core.last_polls.get(question.sid) if session is None else session.link
        if link is None or (session is None and question.method != "GET"):
            raise RequestError(BadRequest.SESSION_UNKNOWN)
        if not is_polling or not isinstance(link, PollingTransport):
            raise RequestError(BadRequest.BAD_REQUEST)
        answer = answer_poll if question.method == "GET" else take_post
        return await answer(self._core, link, request, headers)

    def _open_polling(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        session = self._new_session(request)
        session.open(PollingTransport(self._core, session), self._make_receiver(session))
        upgrades = ["websocket"] if "websocket" in self.options.transports else []
        return text_response(self._open_packet(session, upgrades), headers)

    def _open_websocket(self, request: web.Request) -> web.StreamResponse:
        session = self._new_session(request)
        try:
            link = accept_websocket(self._core, request)
        except BaseException:
            self._core.limits.leave(session.handshake.address, was_admitted=False)
            raise
        session.open(link, self._make_receiver(session))
        link.carry(session)
        session.send(server_frame(self._open_packet(session, upgrades=[])))
        link.begin()
        return UpgradedResponse()

    def _new_session(self, request: web.Request) -> EngineSession:
        handshake = read_handshake(request, self._trusted)
        self._core.limits.enter(handshake.address)
        return EngineSession(self._core, secrets.token_urlsafe(15), handshake)

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
