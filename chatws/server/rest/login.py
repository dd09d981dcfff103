"""Agents' log-in with email and password, renewal, and log-out."""

from __future__ import annotations

from chatws.protocol.commands import Login, Nothing
from chatws.protocol.entities import User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import LoginAck, Ok
from chatws.server.connections import lifecycle
from chatws.server.services import RequestContext, Services


async def may_try(chat: Services, caller: RequestContext, payload: Login) -> None:
    """Count the try before the password is looked at, so that guesses sent together do not all pass.

    Raises:
        ChatError: ``rate_limited`` after too many failures from the address.
    """
    chat.failures.take(caller.address, chat.clock.monotonic())


async def login(chat: Services, caller: RequestContext, payload: Login, place: None) -> LoginAck:
    """Issue a token; unknown, disabled and mistaken agents get one answer after one time.

    Raises:
        ChatError: ``unauthorized``.
    """
    account = await chat.store.account_by_email(payload.email)
    matches = await chat.passwords.matches(payload.password, account.password_hash if account else None)
    if not matches or account is None or account.disabled or account.user.role != "admin":
        raise ChatError(ErrorCode.UNAUTHORIZED, "Email or password is wrong.")
    chat.failures.give_back(caller.address)
    return _issue(chat, account.user, chat.clock.now_ms())


async def may_renew(chat: Services, caller: RequestContext, payload: Nothing) -> int:
    """Allow renewal for a limited time after the log-in with a password; returns that log-in's time.

    Raises:
        ChatError: ``unauthorized`` when it is over.
    """
    assert caller.identity is not None
    login_at_ms = caller.identity.login_at_ms
    if chat.clock.now_ms() >= login_at_ms + chat.settings.login_ttl_s * 1000:
        raise ChatError(ErrorCode.UNAUTHORIZED, "The log-in is too long ago; log in again.")
    return login_at_ms


async def refresh(chat: Services, caller: RequestContext, payload: Nothing, login_at_ms: int) -> LoginAck:
    """Issue a fresh token."""
    return _issue(chat, caller.user, login_at_ms)


async def logout(chat: Services, caller: RequestContext, payload: Nothing, place: None) -> Ok:
    """Void every token the agent has, this one too, and close the agent's sockets."""
    assert caller.identity is not None
    valid_after_ms = max(chat.clock.now_ms(), caller.identity.issued_at_ms + 1)
    await chat.store.revoke_tokens(caller.user.user_id, valid_after_ms)
    lifecycle.revoke(chat, caller.user.user_id)
    chat.neighbours.revoked(caller.user.user_id)
    return Ok()


def _issue(chat: Services, user: User, login_at_ms: int) -> LoginAck:
    token, expires_at_ms = chat.authenticator.issue(user, login_at_ms)
    return LoginAck(token=token, expires_at=format_timestamp(expires_at_ms), user=user)
