"""One Socket.IO connection of the asyncio client, on python-socketio: no other module imports that library."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import aiohttp
import engineio
import msgspec
import socketio

from chatws.client.connect_failure import describe_failure
from chatws.client.core.effects import ConnectionEnd
from chatws.client.core.event_names import Event
from chatws.client.core.refusals import read_connect_error
from chatws.protocol.codec import convert_event
from chatws.protocol.entities import Wire
from chatws.protocol.errors import ERRORS, ErrorCode

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence

    from chatws.client.options import ClientOptions
    from chatws.protocol.events import Authenticated

CLOSE_TIMEOUT_S = 2.0
"""Bound of a graceful close."""

CUT_TIMEOUT_S = 0.1
"""Bound of the WebSocket close handshake of a dropped connection, which delays the next one."""

ITERATIONS_OF_CLOSE = 20
"""Event loop iterations in which a TLS connection closes after the end of its socket; it takes about three."""

CANCEL_AGAIN_S = 0.05
"""Interval of the cancellations of tasks that have not ended yet."""

CONNECT_ERRORS = (
    socketio.exceptions.SocketIOError,
    engineio.exceptions.EngineIOError,
    aiohttp.ClientError,
    OSError,
    # python-engineio raises these when the peer does not implement the protocol.
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)
BUSY_STATUSES = frozenset({429, 503})

# Python-socketio logs credentials and contents. This logger has no parent and no handler, so that no application's
# configuration enables it.
_SILENT = logging.Logger("chatws.client.socketio_transport", logging.CRITICAL + 1)  # noqa: LOG001


class TransportListener(Protocol):
    """Callbacks of a transport, in the order of the packets and never concurrent; must not block."""

    def transport_opened(self, user: Authenticated, pid: str) -> None:
        """Process the authenticated connection; called before any other callback."""

    def transport_event(self, name: str, payload: object) -> None:
        """Process an event, as parsed JSON."""

    def transport_ack(self, command_id: int, name: str, payload: object) -> None:
        """Process the ack of a request, as parsed JSON."""


class SocketIOTransport:
    """A single connection: `run` is called once."""

    def __init__(
        self, url: str, options: ClientOptions, tls: ssl.SSLContext | None, listener: TransportListener
    ) -> None:
        self._url = url
        self._options = options
        self._tls = tls
        self._listener = listener
        self.is_websocket_silent = False
        """A WebSocket was opened, and nothing was received before the timeout: some proxies drop all its bytes."""
        self._opened = False
        self._graceful = False
        self._ended: asyncio.Future[ConnectionEnd] = asyncio.get_running_loop().create_future()
        self._opening_done = asyncio.Event()
        self._outgoing: asyncio.Queue[tuple[int, str, object]] = asyncio.Queue()
        """Bounded by the session, which limits its in-flight requests."""
        self._tasks: list[asyncio.Task[None]] = []
        self._thawed: asyncio.Event | None = None
        """Set at the end of a freeze; None without one."""
        self._upgrades: list[aiohttp.ClientResponse] = []
        """WebSockets whose handshake succeeded: python-engineio does not close one that breaks the protocol."""
        self._sockets: list[socket.socket] = []
        """Sockets of the connections, some of them closed."""

    async def run(self, auth: dict[str, str]) -> ConnectionEnd:
        """Connect, run until the end, and return its reason, which may be a failure of the network or the server."""
        http = self._make_http()
        sio = self._make_client(http)
        try:
            return await self._run(sio, auth)
        finally:
            await self._close(sio, http)

    def send(self, command_id: int, name: str, payload: Wire | str) -> None:
        """Queue an event; the order is kept, and a lost connection loses it."""
        self._outgoing.put_nowait((command_id, name, msgspec.to_builtins(payload)))

    def drop(self, reason: str, *, graceful: bool = False) -> None:
        """End the connection; only a ``graceful`` end sends DISCONNECT."""
        self._graceful = graceful
        self._end(ConnectionEnd(reason))

    def expire(self, code: ErrorCode) -> None:
        """End the connection as if the server had refused the credentials with this code."""
        self._end(ConnectionEnd(ERRORS[code].text, code=code))

    def freeze(self, seconds: float) -> bool:
        """Stop reading and writing for a time, as on a network that drops all packets; false without a WebSocket."""
        connection = self._upgrades[-1].connection if self._upgrades else None
        transport = None if connection is None else connection.transport
        if not isinstance(transport, asyncio.ReadTransport) or self._thawed is not None:
            return False
        self._thawed = asyncio.Event()
        transport.pause_reading()
        asyncio.get_running_loop().call_later(seconds, self._thaw, transport)
        return True

    def _thaw(self, transport: asyncio.ReadTransport) -> None:
        if self._thawed is not None:
            self._thawed.set()
            self._thawed = None
        if not transport.is_closing():
            transport.resume_reading()

    async def _run(self, sio: socketio.AsyncClient, auth: dict[str, str]) -> ConnectionEnd:
        opening = asyncio.create_task(self._open(sio, auth))
        self._tasks.append(opening)
        timeout_s = self._options.connect_timeout_s
        waited: set[asyncio.Future[None] | asyncio.Future[ConnectionEnd]] = {opening, self._ended}
        await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            self.is_websocket_silent = bool(self._upgrades) and not sio.namespaces
            self._end(ConnectionEnd(f"no answer within {timeout_s:g} s"))
            opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        return await self._ended

    async def _open(self, sio: socketio.AsyncClient, auth: dict[str, str]) -> None:
        try:
            await self._connect(sio, auth)
        except CONNECT_ERRORS as error:
            self._end(_describe(error))
            return
        self._tasks += [asyncio.create_task(self._watch(sio)), asyncio.create_task(self._write(sio))]
        await self._opening_done.wait()

    async def _connect(self, sio: socketio.AsyncClient, auth: dict[str, str]) -> None:
        allowed = self._options.transports
        attempts: Sequence[list[str]] = [list(allowed)]
        if allowed[0] == "websocket" and "polling" in allowed:
            attempts = [["websocket"], ["polling", "websocket"]]
        for transports in attempts:
            try:
                # Without waiting: python-socketio would miss a connection that ends before the reply to CONNECT.
                await sio.connect(self._url, auth=auth, transports=transports, wait=False)
            except CONNECT_ERRORS as error:
                if transports is attempts[-1] or not _supports_only_http(error):
                    raise
            else:
                return

    def _make_http(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._tls or True, socket_factory=self._make_socket)
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

        # A failed GET or POST of long-polling ends the session. Python-engineio would also wait for the other request,
        # which a proxy may have routed to another server.
        tracing.on_request_end.append(answered)
        tracing.on_request_exception.append(failed)
        headers = {"User-Agent": self._options.user_agent}
        return aiohttp.ClientSession(
            connector=connector, headers=headers, trace_configs=[tracing], middlewares=[_send_handshake_once]
        )

    def _make_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        self._sockets = [*self._open_sockets(), made]
        return made

    def _open_sockets(self) -> list[socket.socket]:
        return [one for one in self._sockets if one.fileno() != -1]

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
            # A failed transport calls this too, and then raises: `_open` describes that failure.
            if sio.eio.state == "connected":
                self._end(read_connect_error(problem))

        def disconnected(reason: str) -> None:
            # An Engine.IO CLOSE has the same reason as a DISCONNECT, but the transport is no longer connected.
            by_server = reason == sio.reason.SERVER_DISCONNECT and sio.eio.state == "connected"
            self._end(ConnectionEnd("server disconnect" if by_server else _close_reason(sio), by_server=by_server))

        sio.on("connect_error", refused)
        sio.on("disconnect", disconnected)
        sio.on("*", partial(self._receive, sio))
        return sio

    def _receive(self, sio: socketio.AsyncClient, name: str, payload: object = None, *_: object) -> None:
        if self._ended.done():
            return
        if self._opened or name != Event.AUTHENTICATED:
            self._listener.transport_event(name, payload)
            return
        try:
            user = convert_event(name, payload)
        except msgspec.ValidationError as problem:
            self._end(ConnectionEnd(f"the server does not implement this protocol: {problem}"))
            return
        self._opened = True
        # The library does not report `pid`; without connection state recovery, it is the id of the socket.
        self._listener.transport_opened(user, str(sio.get_sid()))
        self._opening_done.set()

    async def _watch(self, sio: socketio.AsyncClient) -> None:
        await asyncio.wait({sio.eio.read_loop_task})
        self._end(ConnectionEnd(_close_reason(sio)))

    async def _write(self, sio: socketio.AsyncClient) -> None:
        while True:
            command_id, name, payload = await self._outgoing.get()
            if self._thawed is not None:
                await self._thawed.wait()
            # A closed connection raises; `_watch` reports its end.
            with suppress(socketio.exceptions.SocketIOError):
                await sio.emit(name, payload, callback=partial(self._receive_ack, command_id, name))

    def _receive_ack(self, command_id: int, name: str, payload: object = None, *_: object) -> None:
        if not self._ended.done():
            self._listener.transport_ack(command_id, name, payload)

    def _end(self, end: ConnectionEnd) -> None:
        if not self._ended.done():
            self._ended.set_result(end)
            self._opening_done.set()

    async def _close(self, sio: socketio.AsyncClient, http: aiohttp.ClientSession) -> None:
        eio = sio.eio
        if self._graceful:
            with suppress(TimeoutError, *CONNECT_ERRORS):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await sio.disconnect()
        await _cancel([task for task in (*self._tasks, eio.read_loop_task, eio.write_loop_task) if task is not None])
        if eio.ws is not None:
            with suppress(TimeoutError, *CONNECT_ERRORS):
                async with asyncio.timeout(CUT_TIMEOUT_S):
                    await eio.ws.close()
        for response in self._upgrades:
            response.close()
        # A cancelled read loop leaves its client in the library's list of connected clients for ever.
        with suppress(ValueError):
            engineio.base_client.connected_clients.remove(eio)
        await http.close()
        await self._close_sockets()

    async def _close_sockets(self) -> None:
        """Close the TLS connections that wait for the server to confirm their end: the event loop may end before."""
        for _ in range(ITERATIONS_OF_CLOSE):
            await asyncio.sleep(0)
            if not self._open_sockets():
                return
            for one in self._open_sockets():
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


async def _send_handshake_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request; one that opens a session with an error that aiohttp does not repeat at once.

    Otherwise, a server that drops connections would get twice as many attempts as the delays between them permit.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # it is not repeated either, and names the address
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if "sid" in request.url.query:
            raise
        raise aiohttp.ClientConnectionError(str(error)) from error


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended.

    Before Python 3.12, `asyncio.wait_for` loses a cancellation that arrives together with its result: the library's
    write loop would then wait for another packet until its timeout of half a minute.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def _describe(error: BaseException) -> ConnectionEnd:
    """Describe the most specific cause, which python-socketio wraps twice."""
    end = ConnectionEnd(str(error) or type(error).__name__)
    for cause in _causes(error):
        if isinstance(cause, aiohttp.WSServerHandshakeError):
            end = _http_end(cause.status, cause.headers or {})
        elif isinstance(cause, aiohttp.ClientError | OSError):
            end = ConnectionEnd(describe_failure(cause), retry_after_s=end.retry_after_s)
        if isinstance(cause, aiohttp.ClientConnectorError):
            break  # its own cause does not name the address
    return end


def _http_end(status: int, headers: Mapping[str, str]) -> ConnectionEnd:
    retry_after_s = _seconds(headers.get("Retry-After")) if status in BUSY_STATUSES else None
    return ConnectionEnd(f"the server answered HTTP {status}", retry_after_s=retry_after_s)


def _is_poll(query: Mapping[str, str]) -> bool:
    """Return whether a request belongs to an open session; `_open` describes the failure of an opening request."""
    return query.get("transport") == "polling" and "sid" in query


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _supports_only_http(error: BaseException) -> bool:
    """Return whether the upgrade got a plain HTTP response, as from a proxy without WebSocket support."""
    return any(
        isinstance(cause, aiohttp.WSServerHandshakeError) and cause.status not in BUSY_STATUSES
        for cause in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None


def _close_reason(sio: socketio.AsyncClient) -> str:
    code = None if sio.eio.ws is None else sio.eio.ws.close_code
    return "transport close" if code is None else f"transport close ({code})"
