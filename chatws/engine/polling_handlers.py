"""GET and POST handlers of long-polling: one request of each kind at a time, bodies validated as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import hdrs, web

from chatws.engine.context import EngineContext
from chatws.engine.events import DisconnectReason
from chatws.engine.http import BadRequest, RequestError
from chatws.engine.polling import PollingTransport
from chatws.engine.write_buffer import unsent_bytes
from chatws.wire.engineio import split_payload
from chatws.wire.errors import CloseCode, PacketError, ViolationKind, WireError

_TEXT_TYPE = "text/plain"
_PACKETS_PER_ITERATION = 256
"""Packets of a body accepted per event-loop iteration: a body can hold 32,000."""


class _PollResponseWriter:
    """Connection of a poll's response, monitored so that a client cannot keep it open by not reading."""

    def __init__(self, transport: PollingTransport, tcp: asyncio.Transport, size: int) -> None:
        self.is_monitored = False
        self.written_bytes = size
        self._transport = transport
        self._tcp = tcp

    def buffered_bytes(self) -> int:
        """Return the bytes that the kernel has not taken yet."""
        return unsent_bytes(self._tcp)

    def abort_slow_client(self) -> None:
        """Abort the connection and the session: no byte was taken within the timeout."""
        self._tcp.abort()
        self._transport.session.abort_slow_client()


async def handle_get(
    context: EngineContext, transport: PollingTransport, request: web.Request, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer a poll with the packets in the outbox, or with the next ones as soon as there are any.

    Raises:
        RequestError: another GET of the session is open; the session is closed, which ends both.
    """
    if transport.is_polled:
        transport.session.fail(PacketError(ViolationKind.ORDER, "two polls at once"))
        raise RequestError(BadRequest.BAD_REQUEST)
    tcp = request.transport
    if tcp is None:
        raise ConnectionResetError
    transport.begin_poll(tcp)
    try:
        body = await transport.next_body()
        if tcp.is_closing():
            raise ConnectionResetError
        response = text_response(body, headers)
        context.write_monitor.add(_PollResponseWriter(transport, tcp, len(body)))
        await response.prepare(request)
        await response.write_eof()
    except (asyncio.CancelledError, ConnectionError):
        transport.disconnected()
        raise
    finally:
        transport.end_poll()
    return response


async def handle_post(
    context: EngineContext, transport: PollingTransport, request: web.Request, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Accept the packets of a POST, all or none; acks are handled at once, other packets in order.

    Raises:
        RequestError: the body is refused, and the session closed.
    """
    session = transport.session
    if transport.is_posting:
        session.fail(PacketError(ViolationKind.ORDER, "two POST requests at once"))
        raise RequestError(BadRequest.BAD_REQUEST)
    transport.is_posting = True
    try:
        await _accept_packets(transport, await _read_body(context, request))
        await transport.receive_queue.wait_for_space()
    except WireError as error:
        session.fail(error)
        status = 413 if error.kind is ViolationKind.OVERSIZE else 400
        raise RequestError(BadRequest.BAD_REQUEST, status) from None
    except RequestError:
        session.close(DisconnectReason.PARSE_ERROR, CloseCode.PROTOCOL_ERROR)
        raise
    except (TimeoutError, ConnectionError, web.RequestPayloadError):
        session.close(DisconnectReason.TRANSPORT_ERROR)
        raise RequestError(BadRequest.BAD_REQUEST) from None
    finally:
        transport.is_posting = False
    return text_response(b"ok", headers)


def text_response(body: bytes, headers: Mapping[str, str]) -> web.Response:
    """Return a response that is not cached."""
    response = web.Response(body=body, content_type=_TEXT_TYPE, charset="utf-8", headers=headers)
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


async def _accept_packets(transport: PollingTransport, body: bytes) -> None:
    session = transport.session
    for number, message in enumerate(split_payload(body), 1):
        if session.is_closed:
            return
        if session.transport is not transport:
            raise PacketError(ViolationKind.ORDER, "POST after the upgrade")
        work = session.accept(message)
        if work is not None:
            transport.receive_queue.add(work, len(message))
        if not number % _PACKETS_PER_ITERATION:
            await asyncio.sleep(0)


async def _read_body(context: EngineContext, request: web.Request) -> bytes:
    if hdrs.CONTENT_ENCODING in request.headers:
        raise RequestError(BadRequest.BAD_REQUEST, 415)
    if hdrs.CONTENT_TYPE in request.headers and request.content_type != _TEXT_TYPE:
        raise RequestError(BadRequest.BAD_REQUEST)
    limit = context.options.max_payload_bytes
    if request.content_length is not None and request.content_length > limit:
        raise PacketError(ViolationKind.OVERSIZE, "polling body is too large")
    body = bytearray()
    async with asyncio.timeout(context.options.body_timeout_s):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise PacketError(ViolationKind.OVERSIZE, "polling body is too large")
    return bytes(body)
