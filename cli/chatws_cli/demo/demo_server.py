"""In-process server of the demo, restartable on the same port and database."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from aiohttp import web

from chatws.server import DRAIN, create_app

if TYPE_CHECKING:
    from chatws.settings import Settings

_STOP_S = 1.0


class DemoServer:
    """Server of the demo; it keeps the port chosen at its first start."""

    def __init__(self, settings: Settings) -> None:
        self.url = ""
        self._settings = settings
        self._port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Start listening."""
        listener = socket.create_server((self._settings.host, self._port))
        self._port = listener.getsockname()[1]
        self.url = f"http://{self._settings.host}:{self._port}"
        self._runner = web.AppRunner(create_app(self._settings), access_log=None, shutdown_timeout=_STOP_S)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Stop gracefully, as ``chatws serve`` does at SIGTERM."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.app[DRAIN].run()
            await runner.cleanup()
