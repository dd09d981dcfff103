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
from chatws.server.rest.trace_stream import TraceEndpoint

__all__ = ["ROUTES", "RestContext", "attach"]


_STREAMING: dict[str, type[BotEndpoint | TraceEndpoint]] = {"ask_bot": BotEndpoint, "trace": TraceEndpoint}


def attach(app: web.Application, context: RestContext) -> None:
    """Add the routes and the access middleware.

    Call it before attaching the engine, whose path has the same prefix as the official client's.
    """
    access = AccessMiddleware(context)
    app.middlewares.append(access.middleware)
    authenticator = RestAuthenticator(context)
    for operation in OPERATIONS:
        streaming = _STREAMING.get(operation.command.name)
        endpoint = (
            RestEndpoint(context, authenticator, operation)
            if streaming is None
            else streaming(context, authenticator, operation, access)
        )
        app.router.add_route(operation.method, operation.path, endpoint.handle)
    StatusPages(context).add_routes(app.router)
