"""REST API: the operations of the contract, the status pages, and access control."""

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


def attach(app: web.Application, context: RestContext) -> None:
    """Add the routes and the access middleware.

    Call it before attaching the engine, whose path has the same prefix as the official client's.
    """
    access = AccessMiddleware(context)
    app.middlewares.append(access.middleware)
    authenticator = RestAuthenticator(context)
    for operation in OPERATIONS:
        is_bot = operation.command.name == "ask_bot"
        endpoint = (
            BotEndpoint(context, authenticator, operation, access)
            if is_bot
            else RestEndpoint(context, authenticator, operation)
        )
        app.router.add_route(operation.method, operation.path, endpoint.handle)
    StatusPages(context).add_routes(app.router)
