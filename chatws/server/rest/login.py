"""Login of agents by email and password, token renewal, and logout."""

from __future__ import annotations

from chatws.protocol.commands import Login, Nothing
from chatws.protocol.entities import User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import LoginAck, Ok
from chatws.server.connections import lifecycle
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def login(services: Services, context: RequestContext, payload: Login) -> LoginAck:
    """Issue a token; unknown and disabled agents and wrong passwords get the same error after the same time.

    Raises:
        ChatError: ``unauthorized``, or ``rate_limited`` after too many failures from the address or of the account.
    """
    services.logins.attempt(payload.email, context.address, services.clock.monotonic())
    account = await services.store.account_by_email(payload.email)
    matches = await services.passwords.matches(payload.password, account.password_hash if account else None)
    if not matches or account is None or account.disabled or account.user.role != "admin":
        raise ChatError(ErrorCode.UNAUTHORIZED, "Email or password is wrong.")
    services.logins.succeeded(payload.email, context.address, services.clock.monotonic())
    return _issue(services, account.user, services.clock.now_ms())


async def may_renew(services: Services, context: RequestContext, payload: Nothing) -> int:
    """Allow renewal for a limited time after the login with a password; return the time of that login.

    Raises:
        ChatError: ``unauthorized`` after that time.
    """
    assert context.identity is not None
    login_at_ms = context.identity.login_at_ms
    if services.clock.now_ms() >= login_at_ms + services.settings.login_ttl_s * 1000:
        raise ChatError(ErrorCode.UNAUTHORIZED, "The login has expired; log in again.")
    return login_at_ms


async def refresh(services: Services, context: RequestContext, payload: Nothing, login_at_ms: int) -> LoginAck:
    """Issue a new token."""
    return _issue(services, context.user, login_at_ms)


async def logout(services: Services, context: RequestContext, payload: Nothing) -> Ok:
    """Revoke all tokens of the agent, including this one, and close the agent's connections."""
    assert context.identity is not None
    valid_after_ms = max(services.clock.now_ms(), context.identity.issued_at_ms + 1)
    await services.store.revoke_tokens(context.user.user_id, valid_after_ms)
    lifecycle.revoke(services, context.user.user_id)
    services.cluster.publish_revocation(context.user.user_id)
    return Ok()


def _issue(services: Services, user: User, login_at_ms: int) -> LoginAck:
    token, expires_at_ms = services.authenticator.issue(user, login_at_ms)
    return LoginAck(token=token, expires_at=format_timestamp(expires_at_ms), user=user)
