"""Handlers of authentication after CONNECT and of token renewal."""

from __future__ import annotations

from chatws.protocol.commands import Authenticate, RefreshToken
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import AuthAck
from chatws.server.auth.identity import Identity
from chatws.server.connections import lifecycle
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def authenticate(services: Services, context: RequestContext, payload: Authenticate) -> AuthAck:
    """Authenticate a connection."""
    assert context.connection is not None
    identity = await lifecycle.identify(services, context.connection.socket.handshake.address, payload)
    async with services.presence.expecting(identity.user_id):
        if not context.connection.socket.connected:
            raise ChatError(ErrorCode.UNAUTHORIZED, "The connection has ended.")
        lifecycle.admit(services, context.connection, identity)
    return _ack(identity)


async def refresh_token(services: Services, context: RequestContext, payload: RefreshToken) -> AuthAck:
    """Replace the token of a connection by a newer one of the same user."""
    assert context.connection is not None
    identity = await services.authenticator.identify_agent(payload.token)
    if identity.user_id != context.user.user_id:
        raise ChatError(ErrorCode.UNAUTHORIZED, "The token belongs to another user.")
    lifecycle.renew(services, context.connection, identity)
    return _ack(identity)


def _ack(identity: Identity) -> AuthAck:
    return AuthAck(
        user_id=identity.user.user_id,
        user_name=identity.user.user_name,
        role=identity.user.role,
        expires_at=format_timestamp(identity.expires_at_ms),
    )
