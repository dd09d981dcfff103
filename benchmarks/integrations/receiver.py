"""Receiver of the webhook in the load generator's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

from aiohttp import web

from chatws_loadtest.server_process import HOST

ACCEPTED: Final = 204
BUSY: Final = 429
RETRY_AFTER_S: Final = 300
"""Longest time for which the server lets a receiver postpone events; longer than a measurement."""


class BenchmarkReceiver:
    """HTTP server that accepts every event, or postpones all of them beyond the end of the measurement."""

    def __init__(self, *, accepts: bool) -> None:
        self.accepted = 0
        self._accepts = accepts
        self._expected = 0
        self._has_all = asyncio.Event()
        self._port = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, *, accepts: bool) -> AsyncIterator[Self]:
        """Listen on a free port until the end of the block."""
        receiver = cls(accepts=accepts)
        app = web.Application()
        app.router.add_post("/", receiver._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            receiver._port = runner.addresses[0][1]
            yield receiver
        finally:
            await runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}/"

    async def wait_accepted(self, expected: int, timeout_s: float) -> None:
        """Wait until this number of events was accepted in all; return at once if the receiver accepts none."""
        if not self._accepts or self.accepted >= expected:
            return
        self._expected = expected
        self._has_all.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._has_all.wait()

    async def _receive(self, request: web.Request) -> web.Response:
        await request.read()
        if not self._accepts:
            return web.Response(status=BUSY, headers={"Retry-After": str(RETRY_AFTER_S)})
        self.accepted += 1
        if self.accepted >= self._expected:
            self._has_all.set()
        return web.Response(status=ACCEPTED)
