"""REST operations on customer sessions."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import Nothing, SetEmail, StartSession
from chatws.protocol.content import normalise_email, normalise_name
from chatws.protocol.entities import User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp, new_id, new_secret_id
from chatws.protocol.responses import SessionAck
from chatws.server.auth.identity import new_customer
from chatws.server.auth.site_identity import CustomerProfile, is_site_customer
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services
from chatws.store.interface import ConversationFilter, CustomerSession


async def may_start(services: Services, context: RequestContext, payload: StartSession) -> CustomerProfile:
    """Limit the rate of new sessions per client address; return the customer.

    Raises:
        ChatError: ``rate_limited``; ``bad_request`` for an invalid name or mail address; ``unauthorized`` or
            ``token_expired`` for an invalid identity.
    """
    services.session_starts.take(context.address, services.clock.monotonic())
    if payload.identity is not UNSET:
        return services.site_identities.verify(payload.identity)
    name = None if payload.user_name is UNSET else normalise_name(payload.user_name)
    email = None if payload.email is UNSET else normalise_email(payload.email)
    return CustomerProfile(new_customer(services.clock.now_ms(), name), email)


async def start_session(
    services: Services, context: RequestContext, payload: StartSession, customer: CustomerProfile
) -> SessionAck:
    """Create a session; a customer without a conversation gets one."""
    now_ms = services.clock.now_ms()
    session_id = new_secret_id()
    is_returning = payload.identity is not UNSET and await _has_conversation(services, customer.user)
    conversation_id = None if is_returning else new_id(now_ms)
    expires_at_ms = now_ms + services.settings.session_ttl_s * 1000
    session = await services.store.create_session(
        session_id,
        customer.user,
        expires_at_ms,
        conversation_id,
        services.conversations.first_status,
        email=customer.email,
    )
    return await _make_ack(services, session_id, session, expires_at_ms)


async def current_session(services: Services, context: RequestContext, payload: Nothing) -> SessionAck:
    """Return the customer's own session; this extends it, as every use does."""
    identity = context.identity
    assert identity is not None
    assert identity.session_id is not None
    session = await own_session(services, context)
    return await _make_ack(services, identity.session_id, session, identity.expires_at_ms)


async def may_set_email(services: Services, context: RequestContext, payload: SetEmail) -> CustomerSession:
    """Allow customers to leave a mail address, unless a site has signed theirs; return the session.

    Raises:
        ChatError: ``forbidden``.
    """
    session = await own_session(services, context)
    if is_site_customer(session.user) and session.email is not None:
        raise ChatError(ErrorCode.FORBIDDEN, "The mail address is that of the site.")
    return session


async def set_email(
    services: Services, context: RequestContext, payload: SetEmail, session: CustomerSession
) -> SessionAck:
    """Store the mail address and show it to the agents."""
    identity = context.identity
    assert identity is not None
    assert identity.session_id is not None
    await services.store.set_contact_email(session.user.user_id, normalise_email(payload.email))
    if session.conversation_id is not None:
        await services.conversations.show_email(session.conversation_id)
    session = await own_session(services, context)
    return await _make_ack(services, identity.session_id, session, identity.expires_at_ms)


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


async def _has_conversation(services: Services, customer: User) -> bool:
    wanted = ConversationFilter(customer_id=customer.user_id, limit=1)
    conversations, _ = await services.store.conversations(wanted)
    return bool(conversations)


async def _make_ack(services: Services, session_id: str, session: CustomerSession, expires_at_ms: int) -> SessionAck:
    return SessionAck(
        session_id=session_id,
        user_id=session.user.user_id,
        user_name=session.user.user_name,
        email=UNSET if session.email is None else session.email,
        conversation_id=session.conversation_id,
        expires_at=format_timestamp(expires_at_ms),
        agents_online=await services.presence.is_any_agent_online(),
    )
