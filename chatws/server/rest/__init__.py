"""The REST side of the chat: the contract's operations, the operator's pages, and who may reach them."""

from __future__ import annotations

from aiohttp import web

from chatws.protocol.rest_spec import OPERATIONS
from chatws.server.rest.authentication import RestAuthenticator
from chatws.server.rest.bot_stream import BotEndpoint
from chatws.server.rest.context import RestContext
from chatws.server.rest.endpoint import RestEndpoint
from chatws.server.rest.middleware import AccessMiddleware
from chatws.server.rest.routes import ROUTES
from chatws.server.rest.status import StatusPages

__all__ = ["ROUTES", "RestContext", "attach"]


def attach(app: web.Application, api: RestContext) -> None:
    """Add every route and the rules of access; call it before the engine is attached, whose path begins like ours."""
    access = AccessMiddleware(api)
    app.middlewares.append(access.middleware)
    callers = RestAuthenticator(api)
    for operation in OPERATIONS:
        is_bot = operation.command.name == "ask_bot"
        endpoint = BotEndpoint(api, callers, operation, access) if is_bot else RestEndpoint(api, callers, operation)
        app.router.add_route(operation.method, operation.path, endpoint.handle)
    StatusPages(api).add_routes(app.router)
