"""Graceful shutdown: reject new requests, finish those in progress, notify clients, close connections in batches."""

from __future__ import annotations

import asyncio
import logging
import random

from chatws.engine import Server
from chatws.protocol.events import ServerDraining
from chatws.server.logs import log_event
from chatws.server.services import Services

_log = logging.getLogger("chatws.drain")

MAX_RETRY_AFTER_MS = 2_000
"""Clients reconnect at random times within this period, so that the next server is not overloaded."""

RETRY_AFTER_S = 1
"""Retry-After of the responses that reject new sessions."""
NOTICE_S = 0.5
"""Time between notice and close; requests sent before the notice arrived are rejected with ``draining``."""

BATCH = 100
BATCH_INTERVAL_S = 0.05


class Drain:
    """Graceful shutdown of one server, run once."""

    def __init__(self, services: Services, server: Server) -> None:
        self._services = services
        self._server = server

    async def run(self) -> None:
        """Reject new requests, finish those in progress, then close every connection with code 1012.

        Takes at most three quarters of ``drain_ms``, even if a handler is stuck; the rest remains for the clean-up.
        """
        if self._services.draining:
            return
        self._services.draining = True
        self._server.refuse_new(RETRY_AFTER_S)
        connections = self._services.registry.all()
        log_event(_log, logging.INFO, "draining", connections=len(connections))
        for connection in connections:
            notice = ServerDraining(retry_after_ms=random.randrange(MAX_RETRY_AFTER_MS))
            connection.socket.emit("server_draining", notice)
        step_timeout_s = self._services.settings.drain_ms / 1000 / 4
        if connections:
            await asyncio.sleep(min(NOTICE_S, step_timeout_s))
        until = asyncio.get_running_loop().time() + step_timeout_s
        await self._server.handlers_idle(step_timeout_s)
        # A polling client may fetch the notice later than NOTICE_S; after the end of this process nothing answers it.
        await self._server.polls_taken(until - asyncio.get_running_loop().time())
        batches = len(connections) / BATCH + 1
        await self._server.close_all(code=1012, batch=BATCH, interval_s=min(BATCH_INTERVAL_S, step_timeout_s / batches))
        log_event(_log, logging.INFO, "drained")
