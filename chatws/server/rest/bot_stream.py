"""Chat API as server-sent events (WHATWG HTML): ``accepted``, any number of ``delta`` events, ``done``.

``accepted`` and ``done`` carry the same object as the JSON response. The concatenated ``content`` of the deltas is the
bot's text so far. The ``reply`` of ``done`` is authoritative: it differs from the deltas if the bot fails midway.
"""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import hdrs, web

from chatws.protocol.responses import BotAck, Refused
from chatws.protocol.rest_spec import Operation
from chatws.server.bot.reply import BotReply
from chatws.server.requests.context import RequestContext
from chatws.server.rest.authentication import RestAuthenticator
from chatws.server.rest.bot import make_ack
from chatws.server.rest.context import RestContext
from chatws.server.rest.endpoint import RestEndpoint
from chatws.server.rest.middleware import AccessMiddleware
from chatws.server.rest.responses import reply_response

EVENT_STREAM = "text/event-stream"

KEEP_ALIVE_S = 15.0
"""Silence after which a comment is sent, so that no proxy closes the stream as idle."""


class BotEndpoint(RestEndpoint):
    """Endpoint ``POST /api/coze/chat``: responds with JSON, or streams with ``Accept: text/event-stream``."""

    def __init__(
        self, context: RestContext, authenticator: RestAuthenticator, operation: Operation, access: AccessMiddleware
    ) -> None:
        super().__init__(context, authenticator, operation)
        self._access = access
        self._write_timeout_s = context.services.settings.write_stall_ms / 1000

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Respond in the requested form; errors are JSON in both."""
        if not accepts_event_stream(request):
            return await super().respond(request)
        replies: list[BotReply] = []

        async def prepare() -> tuple[RequestContext, object]:
            request_context, payload = await self.prepare(request)
            request_context.on_reply = replies.append
            return request_context, payload

        ack = await self._context.pipeline.run_operation(self._operation.command, prepare)
        if isinstance(ack, Refused):
            return reply_response(ack)
        assert isinstance(ack, BotAck)
        return await self._stream(request, ack, replies[0] if replies else None)

    async def _stream(self, request: web.Request, accepted: BotAck, reply: BotReply | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: EVENT_STREAM, "X-Accel-Buffering": "no"})
        self._access.add_headers(request, response)
        try:
            await response.prepare(request)
            await self._send_event(response, "accepted", accepted)
            if reply is None:
                await self._send_event(response, "done", accepted)
            else:
                await self._send_deltas(response, reply)
                await self._send_event(response, "done", make_ack(accepted.message_id, reply.message))
            await response.write_eof()
        except TimeoutError:
            # The client does not read; it can load the reply from the conversation later.
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the client disconnected; the reply continues for the room
        return response

    async def _send_deltas(self, response: web.StreamResponse, reply: BotReply) -> None:
        sent_chars = 0
        while True:
            if piece := reply.text[sent_chars:]:
                sent_chars += len(piece)
                await self._send_event(response, "delta", {"content": piece})
            elif reply.is_done:
                return
            elif not await reply.wait_changed(KEEP_ALIVE_S):
                await self._write(response, b":\n\n")

    async def _send_event(self, response: web.StreamResponse, name: str, payload: object) -> None:
        await self._write(response, b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(payload)))

    async def _write(self, response: web.StreamResponse, chunk: bytes) -> None:
        async with asyncio.timeout(self._write_timeout_s):
            await response.write(chunk)


def accepts_event_stream(request: web.Request) -> bool:
    """Return whether the request's Accept header names the event stream."""
    ranges = ",".join(request.headers.getall(hdrs.ACCEPT, [])).split(",")
    return any(part.partition(";")[0].strip().lower() == EVENT_STREAM for part in ranges)
