"""Endpoint whose response is a stream: bounds the time of each write, and ends quietly when the client does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from chatws.protocol.rest_spec import Operation
from chatws.server.rest.authentication import RestAuthenticator
from chatws.server.rest.context import RestContext
from chatws.server.rest.endpoint import RestEndpoint
from chatws.server.rest.middleware import AccessMiddleware

KEEP_ALIVE_S: Final = 15.0
"""Silence after which a stream sends a chunk without content, so that no proxy closes it as idle."""


class StreamingEndpoint(RestEndpoint):
    """Endpoint of an operation that can respond with a stream."""

    def __init__(
        self, context: RestContext, authenticator: RestAuthenticator, operation: Operation, access: AccessMiddleware
    ) -> None:
        super().__init__(context, authenticator, operation)
        self._access = access
        self._write_timeout_s = context.services.settings.write_stall_ms / 1000

    async def stream(
        self, request: web.Request, content_type: str, send: Callable[[web.StreamResponse], Awaitable[None]]
    ) -> web.StreamResponse:
        """Stream what ``send`` writes; abort the connection of a client that does not read."""
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: content_type, "X-Accel-Buffering": "no"})
        self._access.add_headers(request, response)
        try:
            await response.prepare(request)
            await send(response)
            await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the client disconnected
        return response

    async def write(self, response: web.StreamResponse, chunk: bytes) -> None:
        """Write a chunk.

        Raises:
            TimeoutError: the client does not read.
            ConnectionError: the client has disconnected.
        """
        async with asyncio.timeout(self._write_timeout_s):
            await response.write(chunk)
