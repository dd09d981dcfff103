"""Status pages: liveness, readiness, metrics, and the descriptions of REST (OpenAPI) and events (AsyncAPI)."""

from __future__ import annotations

import asyncio
import functools

import msgspec
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from chatws import __version__
from chatws.protocol import asyncapi, openapi
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.responses import Health, Ready, SocketHealth
from chatws.server.rest.context import RestContext
from chatws.server.rest.responses import JSON, error_response
from chatws.settings.validation import is_loopback
from chatws.store.interface import Unavailable

PING_TIMEOUT_S = 2.0
PING_CACHE_S = 1.0
"""A readiness check costs a commit; requests within this time share one."""


@functools.cache
def _openapi() -> bytes:
    """Build the description at the first request; at start it would delay every server by 30 ms."""
    return msgspec.json.encode(openapi.describe(__version__))


@functools.cache
def _asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi.describe(__version__))


class StatusPages:
    """HTTP handlers of the status pages; none requires credentials."""

    def __init__(self, context: RestContext) -> None:
        self._context = context
        self._started_at = context.services.clock.monotonic()
        self._ping_lock = asyncio.Lock()
        self._last_ping: tuple[float, str] | None = None
        """Time and result of the last check of the store."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes of all pages."""
        router.add_get("/health", self.health)
        router.add_get("/ready", self.ready)
        router.add_get("/metrics", self.metrics)
        router.add_get("/openapi.json", self.openapi)
        router.add_get("/asyncapi.json", self.asyncapi)

    async def health(self, request: web.Request) -> web.Response:
        """Report liveness (guide, Monitoring); always 200."""
        body = Health(
            version=__version__,
            uptime_s=int(self._context.services.clock.monotonic() - self._started_at),
            websocket=SocketHealth(connections=len(self._context.services.registry)),
        )
        return _json_response(body)

    async def ready(self, request: web.Request) -> web.Response:
        """Report readiness: 503 while the server is draining or the store is unavailable."""
        services = self._context.services
        checks = {"database": await self._store_state(), "server": "draining" if services.draining else "ok"}
        is_ready = set(checks.values()) == {"ok"}
        if services.settings.redis_url is not None:
            # Reported without effect on the status: without Redis, messages are still stored and acked, and delivered
            # with a delay. Otherwise an outage of Redis would remove every server from the proxy at once.
            checks["redis"] = "ok" if await services.cluster.ping() else "away"
        return _json_response(
            Ready(status="ready" if is_ready else "not_ready", checks=checks), 200 if is_ready else 503
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the metrics in Prometheus's format to the clients allowed by the settings."""
        allowed = self._context.services.settings.metrics
        if allowed == "off":
            return error_response(ChatError(ErrorCode.NOT_FOUND))
        if allowed == "local" and not is_loopback(self._context.server.peer_address(request)):
            return error_response(ChatError(ErrorCode.FORBIDDEN))
        body = generate_latest(self._context.services.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, request: web.Request) -> web.Response:
        """Return the description of the operations (OpenAPI 3.1)."""
        return web.Response(body=_openapi(), content_type=JSON)

    async def asyncapi(self, request: web.Request) -> web.Response:
        """Return the description of the events (AsyncAPI 3.0)."""
        return web.Response(body=_asyncapi(), content_type=JSON)

    async def _store_state(self) -> str:
        async with self._ping_lock:
            now = self._context.services.clock.monotonic()
            if self._last_ping is None or now - self._last_ping[0] >= PING_CACHE_S:
                self._last_ping = now, await self._ping_store()
            return self._last_ping[1]

    async def _ping_store(self) -> str:
        try:
            await asyncio.wait_for(self._context.services.store.ping(), PING_TIMEOUT_S)
        except TimeoutError:
            return "timeout"
        except Unavailable:
            return "unavailable"
        return "ok"


def _json_response(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=JSON)
