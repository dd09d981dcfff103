"""Login without a password in development mode, so that the test page and the dashboard need no set-up."""

from __future__ import annotations

from aiohttp import hdrs, web

from chatws.protocol.entities import User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import LoginAck
from chatws.server.rest.responses import error_response, reply_response
from chatws.server.services import Services

DEV_AGENT = User(user_id="agent", user_name="Agent", role="admin")
"""User of ``chatws agent`` in development mode."""


class DevLogin:
    """Issues tokens to the server's own pages; `AccessMiddleware` restricts a development server to local clients."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def handle(self, request: web.Request) -> web.Response:
        """Return a token; reject pages of any other origin, even one listed in ``cors_origin``."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin" or _is_cross_origin(request):
            return error_response(ChatError(ErrorCode.FORBIDDEN, "Only this server's own pages may request a token."))
        try:
            token, expires_at_ms = self._services.authenticator.issue(DEV_AGENT, self._services.clock.now_ms())
        except ChatError as error:
            return error_response(error)
        return reply_response(LoginAck(token=token, expires_at=format_timestamp(expires_at_ms), user=DEV_AGENT))


def _is_cross_origin(request: web.Request) -> bool:
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin != f"{request.scheme}://{request.headers.get(hdrs.HOST)}"
