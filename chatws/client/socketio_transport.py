"""One Socket.IO connection, from the handshake to its end: the only file that knows python-socketio."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import aiohttp
import engineio
import msgspec
import socketio

from chatws.client.core.effects import ConnectionEnd
from chatws.client.core.event_names import Event
from chatws.protocol.codec import convert_event
from chatws.protocol.entities import Wire
from chatws.protocol.errors import ERRORS, ErrorCode

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence

    from chatws.client.options import ClientOptions
    from chatws.protocol.events import Authenticated

CLOSE_TIMEOUT_S = 2.0
"""How long a polite farewell may take."""

CUT_TIMEOUT_S = 0.1
"""How long the close handshake of a link that is given up may hold up the next one."""

CONNECT_FAULTS = (
    socketio.exceptions.SocketIOError,
    engineio.exceptions.EngineIOError,
    aiohttp.ClientError,
    OSError,
    # python-engineio lets these escape when what answers does not speak the protocol.
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)
BUSY_STATUSES = frozenset({429, 503})

# Python-socketio logs credentials and contents; a logger of our own making has no parent and no handler,
# and no application's configuration reaches it.
_SILENT = logging.Logger("chatws.client.socketio_transport", logging.CRITICAL + 1)  # noqa: LOG001


class TransportListener(Protocol):
    """Who hears a link; called in the order of the packets, never concurrently, and must not block."""

    def link_opened(self, user: Authenticated) -> None:
        """The server has authenticated us; comes before anything else."""

    def link_event(self, name: str, payload: object) -> None:
        """An event, as parsed JSON."""

    def link_ack(self, command_id: int, name: str, payload: object) -> None:
        """The answer to ``send``, as parsed JSON."""


class SocketIOTransport:
    """Good for one connection: `run` it once, then throw it away."""

    def __init__(
        self, url: str, options: ClientOptions, tls: ssl.SSLContext | None, listener: TransportListener
    ) -> None:
        self._url = url
        self._options = options
        self._tls = tls
        self._listener = listener
        self._opened = False
        self._polite = False
        self._ended: asyncio.Future[ConnectionEnd] = asyncio.get_running_loop().create_future()
        self._authenticated = asyncio.Event()
        self._outgoing: asyncio.Queue[tuple[int, str, object]] = asyncio.Queue()
        """Bounded by its user: the session has a limited number of requests under way."""
        self._tasks: list[asyncio.Task[None]] = []
        self._frozen: asyncio.Event | None = None
        """Set when the freeze is over; None when there is none."""
        self._upgrades: list[aiohttp.ClientResponse] = []
        """WebSockets whose handshake succeeded: python-engineio forgets one that says nonsense without closing it."""

    async def run(self, auth: dict[str, str]) -> ConnectionEnd:
        """Connect, live, and say why it ended; never raises for anything the network or the server does."""
        http = self._make_http()
        sio = self._make_client(http)
        try:
            return await self._live(sio, auth)
        finally:
            await self._close(sio, http)

    def send(self, command_id: int, name: str, payload: Wire | str) -> None:
        """Queue an event; the order is kept, a lost link loses it."""
        self._outgoing.put_nowait((command_id, name, msgspec.to_builtins(payload)))

    def drop(self, reason: str, *, polite: bool = False) -> None:
        """End the link, ``polite``ly with a DISCONNECT; a link believed dead is cut."""
        self._polite = polite
        self._end(ConnectionEnd(reason))

    def expire(self, code: ErrorCode) -> None:
        """End the link as if the server had refused the credentials with this code."""
        self._end(ConnectionEnd(ERRORS[code].text, code=code))

    def freeze(self, seconds: float) -> bool:
        """Neither read nor write for a time, as on a network that swallows everything; false without a WebSocket."""
        connection = self._upgrades[-1].connection if self._upgrades else None
        transport = None if connection is None else connection.transport
        if not isinstance(transport, asyncio.ReadTransport) or self._frozen is not None:
            return False
        self._frozen = asyncio.Event()
        transport.pause_reading()
        asyncio.get_running_loop().call_later(seconds, self._thaw, transport)
        return True

    def _thaw(self, transport: asyncio.ReadTransport) -> None:
        if self._frozen is not None:
            self._frozen.set()
            self._frozen = None
        if not transport.is_closing():
            transport.resume_reading()

    async def _live(self, sio: socketio.AsyncClient, auth: dict[str, str]) -> ConnectionEnd:
        opening = asyncio.create_task(self._open(sio, auth))
        self._tasks.append(opening)
        timeout_s = self._options.connect_timeout_s
        waited: set[asyncio.Future[None] | asyncio.Future[ConnectionEnd]] = {opening, self._ended}
        await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            self._end(ConnectionEnd(f"no answer within {timeout_s:g} s"))
            opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        return await self._ended

    async def _open(self, sio: socketio.AsyncClient, auth: dict[str, str]) -> None:
        try:
            await self._connect(sio, auth)
        except CONNECT_FAULTS as fault:
            self._end(_describe(fault))
            return
        self._tasks += [asyncio.create_task(self._watch(sio)), asyncio.create_task(self._write(sio))]
        await self._authenticated.wait()

    async def _connect(self, sio: socketio.AsyncClient, auth: dict[str, str]) -> None:
        wanted = self._options.transports
        attempts: Sequence[list[str]] = [list(wanted)]
        if wanted[0] == "websocket" and "polling" in wanted:
            attempts = [["websocket"], ["polling", "websocket"]]
        for transports in attempts:
            try:
                # Not waiting here: python-socketio would not notice a link that dies before the CONNECT's answer.
                await sio.connect(self._url, auth=auth, transports=transports, wait=False)
            except CONNECT_FAULTS as fault:
                if transports is attempts[-1] or not _speaks_only_http(fault):
                    raise
            else:
                return

    def _make_http(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector() if self._tls is None else aiohttp.TCPConnector(ssl=self._tls)
        tracing = aiohttp.TraceConfig()

        async def answered(_session: object, _context: object, params: aiohttp.TraceRequestEndParams) -> None:
            response = params.response
            if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
                self._upgrades.append(response)
            elif _is_poll(params.url.query) and not _is_success(response.status):
                self._end(_http_end(response.status, response.headers))

        async def failed(_session: object, _context: object, params: aiohttp.TraceRequestExceptionParams) -> None:
            if _is_poll(params.url.query):
                self._end(ConnectionEnd(str(params.exception) or type(params.exception).__name__))

        # One half of long-polling that fails ends the session; python-engineio would wait for the other one, too, which
        # a proxy may have parked on another server.
        tracing.on_request_end.append(answered)
        tracing.on_request_exception.append(failed)
        headers = {"User-Agent": self._options.user_agent}
        return aiohttp.ClientSession(connector=connector, headers=headers, trace_configs=[tracing])

    def _make_client(self, http: aiohttp.ClientSession) -> socketio.AsyncClient:
        sio = socketio.AsyncClient(
            reconnection=False,
            logger=_SILENT,
            engineio_logger=_SILENT,
            handle_sigint=False,
            http_session=http,
            request_timeout=self._options.connect_timeout_s,
            websocket_extra_options={"timeout": aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S)},
        )

        def refused(problem: object = None) -> None:
            # A transport that fails reports here as well, and raises: `_open` describes that one.
            if sio.eio.state == "connected":
                self._end(_read_refusal(problem))

        def disconnected(reason: str) -> None:
            # An Engine.IO CLOSE has the same reason as a DISCONNECT, but the transport's state has moved on.
            by_server = reason == sio.reason.SERVER_DISCONNECT and sio.eio.state == "connected"
            self._end(ConnectionEnd("server disconnect" if by_server else _close_reason(sio), by_server=by_server))

        sio.on("connect_error", refused)
        sio.on("disconnect", disconnected)
        sio.on("*", self._hear)
        return sio

    def _hear(self, name: str, payload: object = None, *_: object) -> None:
        if self._ended.done():
            return
        if self._opened or name != Event.AUTHENTICATED:
            self._listener.link_event(name, payload)
            return
        try:
            user = convert_event(name, payload)
        except msgspec.ValidationError as problem:
            self._end(ConnectionEnd(f"the server does not speak this protocol: {problem}"))
            return
        self._opened = True
        self._listener.link_opened(user)
        self._authenticated.set()

    async def _watch(self, sio: socketio.AsyncClient) -> None:
        await asyncio.wait({sio.eio.read_loop_task})
        self._end(ConnectionEnd(_close_reason(sio)))

    async def _write(self, sio: socketio.AsyncClient) -> None:
        while True:
            command_id, name, payload = await self._outgoing.get()
            if self._frozen is not None:
                await self._frozen.wait()
            # A link that is gone raises; its end is reported by `_watch`.
            with suppress(socketio.exceptions.SocketIOError):
                await sio.emit(name, payload, callback=partial(self._hear_ack, command_id, name))

    def _hear_ack(self, command_id: int, name: str, payload: object = None, *_: object) -> None:
        if not self._ended.done():
            self._listener.link_ack(command_id, name, payload)

    def _end(self, end: ConnectionEnd) -> None:
        if not self._ended.done():
            self._ended.set_result(end)
            self._authenticated.set()

    async def _close(self, sio: socketio.AsyncClient, http: aiohttp.ClientSession) -> None:
        eio = sio.eio
        if self._polite:
            with suppress(TimeoutError, *CONNECT_FAULTS):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await sio.disconnect()
        tasks = [task for task in (*self._tasks, eio.read_loop_task, eio.write_loop_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if eio.ws is not None:
            with suppress(TimeoutError, *CONNECT_FAULTS):
                async with asyncio.timeout(CUT_TIMEOUT_S):
                    await eio.ws.close()
        for response in self._upgrades:
            response.close()
        # A cancelled read loop leaves its client in the library's list of live ones for ever.
        with suppress(ValueError):
            engineio.base_client.connected_clients.remove(eio)
        await http.close()


def _read_refusal(problem: object) -> ConnectionEnd:
    """Read CONNECT_ERROR's ``{message, data: {code}}``; without a known code it is a refusal of the credentials."""
    message, code = "connection refused", ErrorCode.UNAUTHORIZED
    if isinstance(problem, dict):
        message = str(problem.get("message", message))
        details = problem.get("data")
        with suppress(ValueError):
            code = ErrorCode(str(details.get("code"))) if isinstance(details, dict) else code
    elif problem is not None:
        message = str(problem)
    return ConnectionEnd(message, code=code)


def _describe(fault: BaseException) -> ConnectionEnd:
    """Find the fault that says most, which python-socketio wraps twice."""
    end = ConnectionEnd(str(fault) or type(fault).__name__)
    for cause in _causes(fault):
        if isinstance(cause, aiohttp.WSServerHandshakeError):
            end = _http_end(cause.status, cause.headers or {})
        elif isinstance(cause, aiohttp.ClientError | OSError):
            end = ConnectionEnd(str(cause) or end.reason, retry_after_s=end.retry_after_s)
    return end


def _http_end(status: int, headers: Mapping[str, str]) -> ConnectionEnd:
    retry_after_s = _seconds(headers.get("Retry-After")) if status in BUSY_STATUSES else None
    return ConnectionEnd(f"the server answered HTTP {status}", retry_after_s=retry_after_s)


def _is_poll(query: Mapping[str, str]) -> bool:
    """Whether a request belongs to a session that exists already; the one that begins it is described by its caller."""
    return query.get("transport") == "polling" and "sid" in query


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _speaks_only_http(fault: BaseException) -> bool:
    """Whether something answered the upgrade with plain HTTP, as a proxy without WebSocket does."""
    return any(
        isinstance(cause, aiohttp.WSServerHandshakeError) and cause.status not in BUSY_STATUSES
        for cause in _causes(fault)
    )


def _causes(fault: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = fault
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None


def _close_reason(sio: socketio.AsyncClient) -> str:
    code = None if sio.eio.ws is None else sio.eio.ws.close_code
    return "transport close" if code is None else f"transport close ({code})"
