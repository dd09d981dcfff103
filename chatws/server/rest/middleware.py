"""Who may reach any route at all: the development server's own machine, allowed origins; and how failures look."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import hdrs, web

from chatws.protocol.errors import ChatError, ErrorCode
from chatws.server.rest.authentication import SESSION_HEADER
from chatws.server.rest.context import RestContext
from chatws.server.rest.responses import error_response, http_error_response

_log = logging.getLogger("chatws.rest")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    hdrs.CACHE_CONTROL: "no-store",
    "Referrer-Policy": "no-referrer",
    hdrs.SERVER: "chatws",
}

PREFLIGHT_HEADERS = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: f"{hdrs.AUTHORIZATION}, {hdrs.CONTENT_TYPE}, {SESSION_HEADER}",
    hdrs.ACCESS_CONTROL_MAX_AGE: "600",
}


class AccessMiddleware:
    """The one middleware; the engine keeps the origin rule of its own path itself."""

    def __init__(self, api: RestContext) -> None:
        self._api = api
        self._origins = api.server.options.allowed_origins
        path = api.server.options.path.rstrip("/")
        self._engine_paths = (path, f"{path}/")

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or say why not."""
        if self._api.services.settings.is_dev and (why := not_local(request)):
            return self.finish(request, error_response(ChatError(ErrorCode.FORBIDDEN, why)))
        if request.path in self._engine_paths:
            return await handler(request)
        return self.finish(request, await self._answer(request, handler))

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._api.server.origin_allowed(request):
            return error_response(ChatError(ErrorCode.FORBIDDEN, "Pages of this origin may not use the server."))
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=PREFLIGHT_HEADERS)
        try:
            return await handler(request)
        except web.HTTPException as problem:
            return http_error_response(problem)
        except Exception:  # noqa: BLE001  whatever it was, its text stays here
            _log.exception("rest_failed", extra={"keys": {"route": _route_name(request)}})
            return error_response(ChatError(ErrorCode.INTERNAL))

    def finish(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Add the headers that every response has; one that is sent in pieces needs them before its first."""
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers[hdrs.VARY] = hdrs.ORIGIN
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and (self._origins == "*" or origin in self._origins):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*" if self._origins == "*" else origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = hdrs.RETRY_AFTER
        return response


def _route_name(request: web.Request) -> str:
    """Name the route as it was declared: what a client wrote into the path is no business of the log."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def not_local(request: web.Request) -> str | None:
    """Say what shows that a request does not come straight from this machine, where any session id is accepted."""
    forwarded = next((name for name in request.headers if name.lower().startswith(("forwarded", "x-forwarded-"))), None)
    if forwarded is not None:
        return f"A development server is not reached through a proxy ({forwarded}); start it with --prod."
    host = request.headers.get(hdrs.HOST, "").lower()
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    if name not in LOCAL_HOSTS:
        return "A development server answers to localhost, 127.0.0.1 and [::1] only; start it with --prod."
    return None
