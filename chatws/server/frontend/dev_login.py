"""Development only: a token for the agent of the test page and the dashboard, so that both work without set-up."""

from __future__ import annotations

from aiohttp import hdrs, web

from chatws.protocol.entities import User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import LoginAck
from chatws.server.rest.responses import error_response, reply_response
from chatws.server.services import Services

AGENT = User(user_id="agent", user_name="Agent", role="admin")
"""The one that ``chatws agent`` is in development mode."""


class DevLogin:
    """Hands out tokens to this machine's own pages; the access rules keep everybody else away from the whole server."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def handle(self, request: web.Request) -> web.Response:
        """Answer with a token; a page of any other origin is refused, also where ``cors_origin`` lists it."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin" or _is_foreign(request):
            return error_response(ChatError(ErrorCode.FORBIDDEN, "Only this server's own pages may ask for it."))
        try:
            token, expires_at_ms = self._services.authenticator.issue(AGENT, self._services.clock.now_ms())
        except ChatError as refused:
            return error_response(refused)
        return reply_response(LoginAck(token=token, expires_at=format_timestamp(expires_at_ms), user=AGENT))


def _is_foreign(request: web.Request) -> bool:
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin != f"{request.scheme}://{request.headers.get(hdrs.HOST)}"
