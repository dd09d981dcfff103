"""Trace as a stream of JSON lines: first the response of the operation, then a record for each event."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from chatws.protocol.commands import Trace
from chatws.protocol.errors import ChatError
from chatws.protocol.responses import Ok, Refused
from chatws.protocol.rest_spec import Operation
from chatws.server.requests.context import RequestContext
from chatws.server.rest.authentication import RestAuthenticator
from chatws.server.rest.context import RestContext
from chatws.server.rest.endpoint import RestEndpoint
from chatws.server.rest.middleware import AccessMiddleware
from chatws.server.rest.responses import error_response, reply_response
from chatws.server.tracing.tracer import Tracer

JSON_LINES = "application/jsonl"

POLL_S = 1.0
"""Interval of the checks whether the client has disconnected, the token has expired or the server is draining."""

KEEP_ALIVE_S = 15.0
"""Silence after which an empty line is sent, so that no proxy closes the stream as idle."""


class TraceEndpoint(RestEndpoint):
    """Endpoint ``GET /api/admin/trace``; ends with the token's expiry, the drain of the server, or the client."""

    def __init__(
        self, context: RestContext, authenticator: RestAuthenticator, operation: Operation, access: AccessMiddleware
    ) -> None:
        super().__init__(context, authenticator, operation)
        self._access = access
        self._write_timeout_s = context.services.settings.write_stall_ms / 1000

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
                return await self._stream(request, ack, tracer, context.identity.expires_at_ms)
        except ChatError as error:
            return error_response(error)

    async def _stream(self, request: web.Request, ack: Ok, tracer: Tracer, expires_at_ms: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": JSON_LINES, "X-Accel-Buffering": "no"})
        self._access.add_headers(request, response)
        try:
            await response.prepare(request)
            await self._write(response, msgspec.json.encode(ack) + b"\n")
            await self._send_records(request, response, tracer, expires_at_ms)
            await response.write_eof()
        except TimeoutError:
            # The client does not read.
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the client disconnected
        return response

    async def _send_records(
        self, request: web.Request, response: web.StreamResponse, tracer: Tracer, expires_at_ms: int
    ) -> None:
        services = self._context.services
        silence_s = 0.0
        while request.transport is not None and not services.draining and services.clock.now_ms() < expires_at_ms:
            records = await tracer.take(POLL_S)
            silence_s = 0.0 if records else silence_s + POLL_S
            if records:
                await self._write(response, b"".join(msgspec.json.encode(record) + b"\n" for record in records))
            elif silence_s >= KEEP_ALIVE_S:
                silence_s = 0.0
                await self._write(response, b"\n")

    async def _write(self, response: web.StreamResponse, chunk: bytes) -> None:
        async with asyncio.timeout(self._write_timeout_s):
            await response.write(chunk)
