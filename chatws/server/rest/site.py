"""The guide's browser addresses, which say that the browser side is not part of this server."""

from __future__ import annotations

from aiohttp import web

PATHS = ("/socket.io/socket.io.js", "/websocket-test.html", "/widget/{tail:.*}", "/admin/{tail:.*}")

_TEXT = """\
This server comes without the browser client, the test page, the widget and the dashboard.
Connect with a Socket.IO client of your own (protocol version 5), or talk from a terminal:

    chatws agent
    chatws customer

The REST operations are described in /openapi.json.
"""


def add_site(router: web.UrlDispatcher) -> None:
    """Add the addresses."""
    for path in PATHS:
        router.add_get(path, explain)


async def explain(request: web.Request) -> web.Response:
    """Answer 404, so that no browser takes the text for a script, and people read why."""
    return web.Response(status=404, text=_TEXT)
