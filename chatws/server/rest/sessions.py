"""REST operations on customer sessions."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import Nothing, StartSession
from chatws.protocol.content import normalise_name
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp, new_id, new_secret_id
from chatws.protocol.responses import SessionAck
from chatws.server.auth.identity import new_customer
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services
from chatws.store.interface import CustomerSession


async def may_start(services: Services, context: RequestContext, payload: StartSession) -> str | None:
    """Limit the rate of new customers per client address; return the normalised name.

    Raises:
        ChatError: ``rate_limited``, or ``bad_request`` for an invalid name.
    """
    services.session_starts.take(context.address, services.clock.monotonic())
    return None if payload.user_name is UNSET else normalise_name(payload.user_name)


async def start_session(
    services: Services, context: RequestContext, payload: StartSession, name: str | None
) -> SessionAck:
    """Create a customer with a session and a conversation."""
    now_ms = services.clock.now_ms()
    session_id, conversation_id = new_secret_id(), new_id(now_ms)
    expires_at_ms = now_ms + services.settings.session_ttl_s * 1000
    session = await services.store.create_session(
        session_id, new_customer(now_ms, name), expires_at_ms, conversation_id, services.conversations.first_status
    )
    return _make_ack(session_id, session, expires_at_ms)


async def current_session(services: Services, context: RequestContext, payload: Nothing) -> SessionAck:
    """Return the customer's own session; this extends it, as every use does."""
    identity = context.identity
    assert identity is not None
    assert identity.session_id is not None
    return _make_ack(identity.session_id, await own_session(services, context), identity.expires_at_ms)


async def own_session(services: Services, context: RequestContext) -> CustomerSession:
    """Read the session of the calling customer.

    Raises:
        ChatError: ``unauthorized`` if it was deleted in the meantime.
    """
    assert context.identity is not None
    assert context.identity.session_id is not None
    session = await services.store.session(context.identity.session_id)
    if session is None:
        raise ChatError(ErrorCode.UNAUTHORIZED)
    return session


def _make_ack(session_id: str, session: CustomerSession, expires_at_ms: int) -> SessionAck:
    return SessionAck(
        session_id=session_id,
        user_id=session.user.user_id,
        user_name=session.user.user_name,
        conversation_id=session.conversation_id,
        expires_at=format_timestamp(expires_at_ms),
    )
