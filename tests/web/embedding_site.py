"""Web site on another origin that embeds the widget or hosts a dashboard of its own."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import TracebackType
from typing import Self

from aiohttp import web


class EmbeddingSite:
    """HTTP server for the pages set by a test; sends a Content-Security-Policy only if one is given."""

    def __init__(self, policy: str = "") -> None:
        self.pages: dict[str, str] = {}
        self.url = ""
        self._policy = policy
        app = web.Application()
        app.router.add_get("/{name:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def embed(self, server: str, *, page: str = "shop", snippet: str = "", **attributes: str) -> str:
        """Create a page with the one-line snippet, or with other tags, and return its URL."""
        snippet = snippet or self.snippet(server, **attributes)
        icon = '<link rel="icon" href="data:,">'
        self.pages[page] = f'<!doctype html><html lang="en"><title>Shop</title>{icon}<h1>Shop</h1>{snippet}'
        return f"{self.url}/{page}"

    @staticmethod
    def snippet(server: str, kind: str = "text/javascript", **attributes: str) -> str:
        """Return the tag that loads the launcher, with options."""
        given = " ".join(f'data-{name}="{value}"' for name, value in attributes.items())
        return f'<script type="{kind}" src="{server}/widget/embed.js" {given} async></script>'

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": self._policy} if self._policy else {}
        kinds = {".js": "text/javascript", ".json": "application/json"}
        kind = kinds.get(PurePosixPath(request.path).suffix, "text/html")
        return web.Response(text=self.pages[request.match_info["name"]], content_type=kind, headers=headers)
