"""Finds out who sends a REST request, and keeps each user's limits between requests."""

from __future__ import annotations

from aiohttp import hdrs, web

from chatws.protocol.commands import Authenticate
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.spec import CommandSpec
from chatws.server.connections import lifecycle
from chatws.server.requests.context import RequestContext
from chatws.server.requests.rate_limit import RateLimiter
from chatws.server.rest.context import RestContext

SESSION_HEADER = "X-Session-Id"

MAX_USERS = 10_000
"""Users whose limits are remembered; who has not asked for the longest time is forgotten first."""


class RestAuthenticator:
    """Credentials to callers; they are looked at only by operations that need them."""

    def __init__(self, api: RestContext) -> None:
        self._api = api
        self._throttles: dict[str, RateLimiter] = {}

    async def identify(self, request: web.Request, row: CommandSpec) -> RequestContext:
        """Check the request's credentials; without any the caller is nobody, which the pipeline judges.

        Raises:
            ChatError: ``bad_request`` for credentials that are not well formed, or as `gate.identify`.
        """
        address = self._api.server.peer_address(request)
        credentials = read_credentials(request) if row.roles else None
        if credentials is None:
            return RequestContext(None, None, address=address)
        identity = await lifecycle.identify(self._api.services, address, credentials)
        return RequestContext(identity, self._throttle_of(identity.user_id), address=address)

    def _throttle_of(self, user_id: str) -> RateLimiter | None:
        services = self._api.services
        if services.settings.limits == "off":
            return None
        rate_limiter = self._throttles.pop(user_id, None) or RateLimiter(services.settings, services.clock.monotonic())
        self._throttles[user_id] = rate_limiter
        if len(self._throttles) > MAX_USERS:
            del self._throttles[next(iter(self._throttles))]
        return rate_limiter


def read_credentials(request: web.Request) -> Authenticate | None:
    """Read ``Authorization: Bearer`` or ``X-Session-Id``; nothing else is looked at, least of all the address.

    Raises:
        ChatError: ``bad_request`` for both, for one of them twice, or for another scheme.
    """
    tokens = request.headers.getall(hdrs.AUTHORIZATION, [])
    sessions = request.headers.getall(SESSION_HEADER, [])
    if len(tokens) + len(sessions) > 1:
        raise ChatError(ErrorCode.BAD_REQUEST, f"Give one of {hdrs.AUTHORIZATION} and {SESSION_HEADER}, once.")
    if sessions:
        return Authenticate(session_id=sessions[0])
    if not tokens:
        return None
    scheme, _, token = tokens[0].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ChatError(ErrorCode.BAD_REQUEST, f"{hdrs.AUTHORIZATION} is: Bearer TOKEN.")
    return Authenticate(token=token.strip())
