"""Authentication of REST requests, and the rate limit of each user across requests."""

from __future__ import annotations

import re

from aiohttp import hdrs, web

from chatws.protocol.commands import Authenticate
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.spec import CommandSpec
from chatws.server.connections import lifecycle
from chatws.server.requests.context import RequestContext
from chatws.server.requests.rate_limit import RateLimiter
from chatws.server.rest.context import RestContext

SESSION_HEADER = "X-Session-Id"

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Stands for a byte of a header that is not UTF-8."""

MAX_USERS = 10_000
"""Capacity of the rate limits kept by user; the least recently used is dropped first."""


class RestAuthenticator:
    """Resolves the credentials of a request into its context, for operations that need them."""

    def __init__(self, context: RestContext) -> None:
        self._context = context
        self._rate_limiters: dict[str, RateLimiter] = {}

    async def identify(self, request: web.Request, command: CommandSpec) -> RequestContext:
        """Check the credentials of a request; without any, the pipeline decides whether the operation allows that.

        Raises:
            ChatError: ``bad_request`` for malformed credentials, or as `lifecycle.identify`.
        """
        address = self._context.server.peer_address(request)
        credentials = read_credentials(request) if command.roles else None
        if credentials is None:
            return RequestContext(None, None, address=address)
        identity = await lifecycle.identify(self._context.services, address, credentials, accepts_service=True)
        # A service acts for many users, within the limits of its own program.
        rate_limiter = None if identity.user.role == "bot" else self._rate_limiter_for(identity.user_id)
        return RequestContext(identity, rate_limiter, address=address)

    def _rate_limiter_for(self, user_id: str) -> RateLimiter | None:
        services = self._context.services
        if services.settings.limits == "off":
            return None
        rate_limiter = self._rate_limiters.pop(user_id, None) or RateLimiter(
            services.settings, services.clock.monotonic()
        )
        self._rate_limiters[user_id] = rate_limiter
        if len(self._rate_limiters) > MAX_USERS:
            del self._rate_limiters[next(iter(self._rate_limiters))]
        return rate_limiter


def read_credentials(request: web.Request) -> Authenticate | None:
    """Read ``Authorization: Bearer`` or ``X-Session-Id``; credentials in the URL are ignored.

    Raises:
        ChatError: ``bad_request`` for both headers, for a repeated header, for another scheme, or for invalid UTF-8.
    """
    tokens = request.headers.getall(hdrs.AUTHORIZATION, [])
    sessions = request.headers.getall(SESSION_HEADER, [])
    if len(tokens) + len(sessions) > 1:
        raise ChatError(ErrorCode.BAD_REQUEST, f"Give either {hdrs.AUTHORIZATION} or {SESSION_HEADER}, once.")
    if any(map(_SURROGATE.search, (*tokens, *sessions))):
        raise ChatError(ErrorCode.BAD_REQUEST, "The credentials are not valid UTF-8.")
    if sessions:
        return Authenticate(session_id=sessions[0])
    if not tokens:
        return None
    scheme, _, token = tokens[0].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ChatError(ErrorCode.BAD_REQUEST, f"Give {hdrs.AUTHORIZATION} as: Bearer TOKEN.")
    return Authenticate(token=token.strip())
