"""The browser side as the server gives it: the official client, the test page, the widget, the dashboard."""

from __future__ import annotations

from aiohttp import hdrs, web

from chatws.server.chat import Chat
from chatws.server.site.dev_login import DevLogin
from chatws.server.site.pages import Pages

__all__ = ["attach"]


def attach(app: web.Application, chat: Chat) -> None:
    """Add the routes; call it before the engine is attached, whose path begins like the official client's."""
    Pages(chat.settings).add_routes(app.router)
    if chat.settings.is_dev:
        app.router.add_route(hdrs.METH_POST, "/api/dev/token", DevLogin(chat).handle)
