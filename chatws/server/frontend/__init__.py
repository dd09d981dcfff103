"""Routes of the browser front end: the official client, the test page, the widget and the dashboard."""

from __future__ import annotations

from aiohttp import hdrs, web

from chatws.server.frontend.dev_login import DevLogin
from chatws.server.frontend.pages import Pages
from chatws.server.services import Services

__all__ = ["attach"]


def attach(app: web.Application, services: Services) -> None:
    """Add the routes. Call it before attaching the engine, which also serves paths below ``/socket.io/``."""
    Pages(services.settings).add_routes(app.router)
    if services.settings.is_dev:
        app.router.add_route(hdrs.METH_POST, "/api/dev/token", DevLogin(services).handle)
