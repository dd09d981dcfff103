"""The chat API as an event stream: ``accepted``, any number of ``delta``, ``done`` (WHATWG HTML, server-sent events).

``accepted`` and ``done`` carry the reply that the JSON form has; the deltas' ``content`` together is what the bot has
said so far. What counts is the ``reply`` of ``done``: a bot that breaks off leaves another line there.
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
from chatws.server.rest.bot import write_ack
from chatws.server.rest.context import RestContext
from chatws.server.rest.endpoint import RestEndpoint
from chatws.server.rest.middleware import AccessMiddleware
from chatws.server.rest.responses import reply_response

EVENTS = "text/event-stream"

KEEP_ALIVE_S = 15.0
"""A comment after this long without a delta, so that no proxy takes the silence for the end."""


class BotEndpoint(RestEndpoint):
    """``POST /api/coze/chat``: JSON, or with ``Accept: text/event-stream`` the answer while it is written."""

    def __init__(
        self, api: RestContext, callers: RestAuthenticator, operation: Operation, access: AccessMiddleware
    ) -> None:
        super().__init__(api, callers, operation)
        self._access = access
        self._stall_s = api.services.settings.write_stall_ms / 1000

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer in the form that was asked for; a refusal is JSON in both."""
        if not wants_events(request):
            return await super().answer(request)
        followed: list[BotReply] = []

        async def prepare() -> tuple[RequestContext, object]:
            context, payload = await self.prepare(request)
            context.on_reply = followed.append
            return context, payload

        reply = await self._api.pipeline.run_operation(self._operation.command, prepare)
        if isinstance(reply, Refused):
            return reply_response(reply)
        assert isinstance(reply, BotAck)
        return await self._stream(request, reply, followed[0] if followed else None)

    async def _stream(self, request: web.Request, accepted: BotAck, answer: BotReply | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: EVENTS, "X-Accel-Buffering": "no"})
        self._access.finish(request, response)
        try:
            await response.prepare(request)
            await self._write(response, "accepted", accepted)
            if answer is None:
                await self._write(response, "done", accepted)
            else:
                await self._follow(response, answer)
                await self._write(response, "done", write_ack(accepted.message_id, answer.message))
            await response.write_eof()
        except TimeoutError:
            # It does not read: what it has not read by now is in the conversation.
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # it has gone; the answer goes on for the room
        return response

    async def _follow(self, response: web.StreamResponse, answer: BotReply) -> None:
        told = 0
        while True:
            if piece := answer.text[told:]:
                told += len(piece)
                await self._write(response, "delta", {"content": piece})
            elif answer.is_done:
                return
            elif not await answer.wait_changed(KEEP_ALIVE_S):
                await self._send(response, b":\n\n")

    async def _write(self, response: web.StreamResponse, name: str, payload: object) -> None:
        await self._send(response, b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(payload)))

    async def _send(self, response: web.StreamResponse, chunk: bytes) -> None:
        async with asyncio.timeout(self._stall_s):
            await response.write(chunk)


def wants_events(request: web.Request) -> bool:
    """Whether the request accepts an event stream by name."""
    ranges = ",".join(request.headers.getall(hdrs.ACCEPT, [])).split(",")
    return any(part.partition(";")[0].strip().lower() == EVENTS for part in ranges)
