"""Web page that embeds the chat widget from another origin."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PAGE = """\
<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,"><h1>Shop</h1>
<script src="{chat_url}/widget/embed.js" data-title="Lindqvist Bikes" async></script>
"""


@asynccontextmanager
async def serve_shop() -> AsyncIterator[str]:
    """Serve the page on a free port and yield its URL; the query names the chat server as ``chat_url``."""

    async def respond(request: web.Request) -> web.Response:
        return web.Response(text=_PAGE.format(chat_url=request.query["chat_url"]), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
