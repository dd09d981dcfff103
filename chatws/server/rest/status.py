"""The operator's pages: alive, ready, metrics, and the description of the operations."""

from __future__ import annotations

import asyncio
import functools

import msgspec
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from chatws import __version__
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.openapi import describe
from chatws.protocol.responses import Health, Ready, SocketHealth
from chatws.server.rest.context import RestContext
from chatws.server.rest.responses import JSON, error_response
from chatws.settings.validation import is_loopback
from chatws.store.interface import Unavailable

PING_TIMEOUT_S = 2.0
PING_KEPT_S = 1.0
"""A readiness check costs a commit: many who ask at once share one."""


@functools.cache
def _openapi() -> bytes:
    """Describe the operations; who asks first pays the 30 ms, not every start of a server."""
    return msgspec.json.encode(describe(__version__))


class StatusPages:
    """Answers about the server itself; none of it needs credentials."""

    def __init__(self, api: RestContext) -> None:
        self._api = api
        self._started_at = api.services.clock.monotonic()
        self._ping = asyncio.Lock()
        self._pinged: tuple[float, str] | None = None
        """When the store was last asked, and what came of it."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the pages."""
        router.add_get("/health", self.health)
        router.add_get("/ready", self.ready)
        router.add_get("/metrics", self.metrics)
        router.add_get("/openapi.json", self.openapi)

    async def health(self, request: web.Request) -> web.Response:
        """Say that the process is alive (guide, Monitoring); 200 as long as it can."""
        body = Health(
            version=__version__,
            uptime_s=int(self._api.services.clock.monotonic() - self._started_at),
            websocket=SocketHealth(connections=self._api.service.get_connection_count()),
        )
        return _json(body)

    async def ready(self, request: web.Request) -> web.Response:
        """Say whether requests are welcome: 503 while the server drains or nothing can be stored."""
        checks = {"database": await self._store_state(), "server": "draining" if self._api.drain.began else "ok"}
        is_ready = set(checks.values()) == {"ok"}
        if self._api.services.settings.redis_url is not None:
            # Shown, not judged: without Redis messages are stored, acked and, a little later, delivered. If it made
            # servers unready, its outage would take all of them out of the proxy at once.
            checks["redis"] = "ok" if await self._api.services.cluster.ping() else "away"
        return _json(Ready(status="ready" if is_ready else "not_ready", checks=checks), 200 if is_ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Write the metrics in Prometheus's format, for those whom the settings allow."""
        allowed = self._api.services.settings.metrics
        if allowed == "off":
            return error_response(ChatError(ErrorCode.NOT_FOUND))
        if allowed == "local" and not is_loopback(self._api.server.peer_address(request)):
            return error_response(ChatError(ErrorCode.FORBIDDEN))
        body = generate_latest(self._api.services.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, request: web.Request) -> web.Response:
        """Describe the operations (OpenAPI 3.1)."""
        return web.Response(body=_openapi(), content_type=JSON)

    async def _store_state(self) -> str:
        async with self._ping:
            now = self._api.services.clock.monotonic()
            if self._pinged is None or now - self._pinged[0] >= PING_KEPT_S:
                self._pinged = now, await self._ask_store()
            return self._pinged[1]

    async def _ask_store(self) -> str:
        try:
            await asyncio.wait_for(self._api.services.store.ping(), PING_TIMEOUT_S)
        except TimeoutError:
            return "timeout"
        except Unavailable:
            return "unavailable"
        return "ok"


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=JSON)
