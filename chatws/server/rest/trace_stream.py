"""Trace as a stream of JSON lines: first the response of the operation, then a record for each event."""

from __future__ import annotations

from functools import partial

import msgspec
from aiohttp import web

from chatws.protocol.commands import Trace
from chatws.protocol.errors import ChatError
from chatws.protocol.responses import Ok, Refused
from chatws.server.requests.context import RequestContext
from chatws.server.rest.responses import error_response, reply_response
from chatws.server.rest.streaming import KEEP_ALIVE_S, StreamingEndpoint
from chatws.server.tracing.tracer import Tracer

JSON_LINES = "application/jsonl"

POLL_S = 1.0
"""Interval of the checks whether the client has disconnected, the token has expired or the server is draining."""


class TraceEndpoint(StreamingEndpoint):
    """Endpoint ``GET /api/admin/trace``; ends with the token's expiry, the drain of the server, or the client."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Check the request, open the trace and stream its records."""
        prepared: list[tuple[RequestContext, object]] = []

        async def prepare() -> tuple[RequestContext, object]:
            prepared.append(await self.prepare(request))
            return prepared[0]

        ack = await self._context.pipeline.run_operation(self._operation.command, prepare)
        if isinstance(ack, Refused):
            return reply_response(ack)
        context, target = prepared[0]
        assert isinstance(target, Trace)
        assert context.identity is not None
        try:
            with self._context.services.tracing.open(target) as tracer:
                send = partial(self._send_trace, request, ack, tracer, context.identity.expires_at_ms)
                return await self.stream(request, JSON_LINES, send)
        except ChatError as error:
            return error_response(error)

    async def _send_trace(
        self, request: web.Request, ack: Ok, tracer: Tracer, expires_at_ms: int, response: web.StreamResponse
    ) -> None:
        await self.write(response, msgspec.json.encode(ack) + b"\n")
        services = self._context.services
        silence_s = 0.0
        while request.transport is not None and not services.draining and services.clock.now_ms() < expires_at_ms:
            records = await tracer.take(POLL_S)
            silence_s = 0.0 if records else silence_s + POLL_S
            if records:
                await self.write(response, b"".join(msgspec.json.encode(record) + b"\n" for record in records))
            elif silence_s >= KEEP_ALIVE_S:
                silence_s = 0.0
                await self.write(response, b"\n")
