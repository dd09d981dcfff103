"""GET and POST of long-polling: one of each at a time, bodies read to their end before anything in them counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import hdrs, web

from chatws.engine.context import EngineContext
from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.http import BadRequest, RequestError
from chatws.engine.polling import PollingTransport
from chatws.engine.socket_buffer import unsent_bytes
from chatws.wire.engineio import split_payload
from chatws.wire.errors import CloseCode, PacketError, ViolationKind, WireError

_TEXT_TYPE = "text/plain"
_PER_TURN = 256
"""Packets of a body that are read in one turn of the loop: it can hold 32,000."""


class _Answer:
    """The connection that takes an answer, watched so that a client cannot hold it by not reading."""

    def __init__(self, link: PollingTransport, transport: asyncio.Transport, size: int) -> None:
        self.is_watched = False
        self.written_bytes = size
        self._link = link
        self._transport = transport

    def buffered_bytes(self) -> int:
        """Bytes the kernel has not taken yet."""
        return unsent_bytes(self._transport)

    def stalled(self) -> None:
        """No byte was taken for the time allowed."""
        self._transport.abort()
        self._link.session.too_slow()


async def answer_poll(
    core: EngineContext, link: PollingTransport, request: web.Request, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer GET with what waits, or as soon as something does.

    Raises:
        RequestError: another GET of the session is open; both end with it.
    """
    if link.is_polled:
        link.session.fail(PacketError(ViolationKind.ORDER, "two polls at once"))
        raise RequestError(BadRequest.BAD_REQUEST)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    link.begin_poll(transport)
    try:
        body = await link.next_body()
        if transport.is_closing():
            raise ConnectionResetError
        response = text_response(body, headers)
        core.stalls.add(_Answer(link, transport, len(body)))
        await response.prepare(request)
        await response.write_eof()
    except (asyncio.CancelledError, ConnectionError):
        link.cancelled()
        raise
    finally:
        link.end_poll()
    return response


async def take_post(
    core: EngineContext, link: PollingTransport, request: web.Request, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Take the packets of a POST, all of them or none; acks in it count at once, the rest in order.

    Raises:
        RequestError: the body is refused, and the session closed.
    """
    session = link.session
    if link.is_posting:
        session.fail(PacketError(ViolationKind.ORDER, "two POST requests at once"))
        raise RequestError(BadRequest.BAD_REQUEST)
    link.is_posting = True
    try:
        await _accept_packets(link, await _read_body(core, request))
        await link.backlog.room()
    except WireError as error:
        session.fail(error)
        status = 413 if error.fault is ViolationKind.OVERSIZE else 400
        raise RequestError(BadRequest.BAD_REQUEST, status) from None
    except RequestError:
        session.close(DisconnectReason.PARSE_ERROR, CloseCode.PROTOCOL_ERROR)
        raise
    except (TimeoutError, ConnectionError, web.RequestPayloadError):
        session.close(DisconnectReason.TRANSPORT_ERROR)
        raise RequestError(BadRequest.BAD_REQUEST) from None
    finally:
        link.is_posting = False
    return text_response(b"ok", headers)


def text_response(body: bytes, headers: Mapping[str, str]) -> web.Response:
    """Make an answer that no cache keeps."""
    response = web.Response(body=body, content_type=_TEXT_TYPE, charset="utf-8", headers=headers)
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


async def _accept_packets(link: PollingTransport, body: bytes) -> None:
    session = link.session
    for number, message in enumerate(split_payload(body), 1):
        if session.is_closed:
            return
        if session.link is not link:
            raise PacketError(ViolationKind.ORDER, "POST after the upgrade")
        work = session.accept(message)
        if work is not None:
            link.backlog.add(work, len(message))
        if not number % _PER_TURN:
            await asyncio.sleep(0)


async def _read_body(core: EngineContext, request: web.Request) -> bytes:
    if hdrs.CONTENT_ENCODING in request.headers:
        raise RequestError(BadRequest.BAD_REQUEST, 415)
    if hdrs.CONTENT_TYPE in request.headers and request.content_type != _TEXT_TYPE:
        raise RequestError(BadRequest.BAD_REQUEST)
    limit = core.options.max_payload_bytes
    if request.content_length is not None and request.content_length > limit:
        raise PacketError(ViolationKind.OVERSIZE, "polling body is too large")
    body = bytearray()
    async with asyncio.timeout(core.options.body_timeout_s):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise PacketError(ViolationKind.OVERSIZE, "polling body is too large")
    return bytes(body)
