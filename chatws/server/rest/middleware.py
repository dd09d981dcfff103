"""Access control of all routes: local clients in development mode, allowed origins, and security headers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import hdrs, web

from chatws.engine.upgrade_request import HttpRequest
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.server.rest.authentication import SESSION_HEADER
from chatws.server.rest.context import RestContext
from chatws.server.rest.responses import error_response, http_error_response

_log = logging.getLogger("chatws.rest")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

PUBLIC_SCRIPT = "/widget/embed.js"
"""Readable by pages of every origin: browsers fetch a script of type module like data, with an origin."""

FORWARDING_HEADERS = frozenset({"forwarded", "via", "x-real-ip"})
"""Headers that proxies add, besides those that begin with ``X-Forwarded-``."""

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
    """Middleware of the whole application; the engine itself checks origins on its path."""

    def __init__(self, context: RestContext) -> None:
        self._context = context
        self._origins = context.server.options.allowed_origins
        path = context.server.options.path.rstrip("/")
        self._engine_paths = (path, f"{path}/")

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request on to its handler, or reject it."""
        if self._context.services.settings.is_dev and (reason := find_nonlocal_reason(request)):
            return self.add_headers(request, error_response(ChatError(ErrorCode.FORBIDDEN, reason)))
        if request.path in self._engine_paths:
            return await handler(request)
        return self.add_headers(request, await self._handle(request, handler))

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != PUBLIC_SCRIPT and not self._context.server.origin_allowed(request):
            return error_response(ChatError(ErrorCode.FORBIDDEN, "Pages of this origin may not use the server."))
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=PREFLIGHT_HEADERS)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return http_error_response(error)
        except Exception:  # noqa: BLE001  the client must not see the text of any exception
            _log.exception("rest_failed", extra={"keys": {"route": _route_name(request)}})
            return error_response(ChatError(ErrorCode.INTERNAL))

    def add_headers(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Add the common headers and return the response; a stream needs them before its first chunk."""
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        varies = response.headers.get(hdrs.VARY)
        response.headers[hdrs.VARY] = f"{varies}, {hdrs.ORIGIN}" if varies else hdrs.ORIGIN
        origin = request.headers.get(hdrs.ORIGIN)
        is_public = self._origins == "*" or request.path == PUBLIC_SCRIPT
        if origin is not None and (is_public or origin in self._origins):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*" if is_public else origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = hdrs.RETRY_AFTER
        return response


def _route_name(request: web.Request) -> str:
    """Return the route's pattern, so that the log does not contain the client's path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def find_nonlocal_reason(request: HttpRequest) -> str | None:
    """Return why a request is not directly from this machine, or None.

    A development server accepts any session id, so it must serve local clients only.
    """
    forwarded = next((name for name in request.headers if _is_added_by_proxy(name.lower())), None)
    if forwarded is not None:
        return f"A development server does not serve requests from a proxy ({forwarded}); start it with --prod."
    host = request.headers.get(hdrs.HOST, "").lower()
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    if name not in LOCAL_HOSTS:
        return "A development server serves only localhost, 127.0.0.1 and [::1]; start it with --prod."
    return None


def _is_added_by_proxy(name: str) -> bool:
    return name in FORWARDING_HEADERS or name.startswith("x-forwarded-")
