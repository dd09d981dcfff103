"""Lifecycle of an authenticated connection: authentication, admission, expiry, revocation and removal."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from msgspec import UNSET

from chatws.protocol.commands import Authenticate
from chatws.protocol.errors import ChatError, ErrorBody, ErrorCode
from chatws.protocol.events import Authenticated, AuthExpiring, Failed, Timers
from chatws.protocol.ids import format_timestamp
from chatws.server.auth.identity import Identity, is_token_revoked, should_extend_session
from chatws.server.connections.registry import Connection
from chatws.server.services import Services
from chatws.store.interface import StoreError

EXTENSION_TIMEOUT_S = 0.25
"""Longest time that a request waits for the extension of its session; then it continues without."""


def user_room(user_id: str) -> str:
    """Return the name of the room of a user's sockets."""
    return f"user:{user_id}"


def emit_to_user(services: Services, user_id: str, event: str, *args: object) -> None:
    """Emit an event to every connection of a user to this server.

    The offset follows: clients take a last argument that is a string for their offset.
    """
    services.namespace.to(user_room(user_id)).emit(event, *args)
    for connection in services.registry.of_user(user_id):
        if connection.joined:
            services.hub.emit_offset(connection)


async def identify(
    services: Services, address: str, credentials: Authenticate, *, accepts_service: bool = False
) -> Identity:
    """Check credentials, unless the address had too many failures.

    Raises:
        ChatError: as `Authenticator.identify`, or ``rate_limited``; ``forbidden`` for a service key on a socket.
    """
    services.failed_credentials.check(address, services.clock.monotonic())
    try:
        identity = await services.authenticator.identify(credentials, first_status=services.conversations.first_status)
    except ChatError as refused:
        if refused.code is ErrorCode.UNAUTHORIZED:
            services.failed_credentials.count(address, services.clock.monotonic())
        raise
    if identity.user.role == "bot" and not accepts_service:
        raise ChatError(ErrorCode.FORBIDDEN, "A service key is for REST requests only.")
    return identity


def admit(services: Services, connection: Connection, identity: Identity) -> None:
    """Bind an identity to a connection and emit ``authenticated``.

    Raises:
        ChatError: ``connection_limit``.
    """
    services.registry.check_limit(identity)
    connection.identity = identity
    services.registry.add(connection)
    connection.socket.admit()
    connection.socket.join(user_room(identity.user_id))
    # Clients without ``pid``, such as python-socketio's, are recognised only within the grace.
    if connection.previous_pid is not None or services.presence.is_in_grace(identity.user_id):
        services.metrics.reconnects.inc()
    services.presence.connected(connection)
    start_expiry_timer(services, connection)
    connection.socket.emit("authenticated", _authenticated_event(services, identity))
    if services.connected_log.is_due(services.clock.monotonic()):
        services.connected_log.write(socketId=connection.socket.id, userId=identity.user_id, role=identity.user.role)


def _authenticated_event(services: Services, identity: Identity) -> Authenticated:
    settings = services.settings
    return Authenticated(
        user_id=identity.user.user_id,
        user_name=identity.user.user_name,
        role=identity.user.role,
        expires_at=format_timestamp(identity.expires_at_ms),
        server_time=format_timestamp(services.clock.now_ms()),
        epoch=services.store.epoch,
        timers=Timers(
            typing_resend_ms=settings.typing_resend_ms,
            typing_expire_ms=settings.typing_expire_ms,
            presence_grace_ms=settings.presence_grace_ms,
            positions_ms=settings.positions_ms,
        ),
    )


def renew(services: Services, connection: Connection, identity: Identity) -> None:
    """Replace a connection's credentials by newer ones of the same user."""
    connection.identity = identity
    if connection.socket.connected:
        start_expiry_timer(services, connection)


def is_extension_due(services: Services, connection: Connection) -> bool:
    """Return whether the connection's session is due for an extension (`should_extend_session`)."""
    identity = connection.identity
    if identity is None or identity.session_id is None:
        return False
    return should_extend_session(
        identity.expires_at_ms, services.clock.now_ms(), services.settings.session_ttl_s * 1000
    )


async def extend_session(services: Services, connection: Connection) -> None:
    """Extend a session that is in use."""
    identity = connection.identity
    assert identity is not None
    assert identity.session_id is not None
    now_ms, ttl_ms = services.clock.now_ms(), services.settings.session_ttl_s * 1000
    connection.identity = dataclasses.replace(identity, expires_at_ms=now_ms + ttl_ms)
    try:
        async with asyncio.timeout(EXTENSION_TIMEOUT_S):
            await services.store.touch_session(identity.session_id, now_ms + ttl_ms)
    except (StoreError, TimeoutError):
        connection.identity = identity  # extended with the next event instead


def start_expiry_timer(services: Services, connection: Connection) -> None:
    """Start the timer of a token's expiry: first a warning, then the close after the grace.

    Between expiry and close the pipeline rejects requests.
    """
    if connection.expiry is not None:
        connection.expiry.cancel()
        connection.expiry = None
    identity = connection.identity
    if identity is None or identity.kind == "session":
        return
    left_ms = identity.expires_at_ms - services.clock.now_ms()
    warning_ms = max(0, left_ms - services.settings.token_expiring_ms)
    connection.expiry = services.clock.call_later(warning_ms / 1000, _warn_of_expiry, services, connection)


def _warn_of_expiry(services: Services, connection: Connection) -> None:
    assert connection.identity is not None
    left_ms = max(0, connection.identity.expires_at_ms - services.clock.now_ms())
    connection.socket.emit("auth_expiring", AuthExpiring(in_ms=left_ms))
    delay_s = (left_ms + services.settings.token_grace_ms) / 1000
    connection.expiry = services.clock.call_later(delay_s, _close_expired, connection)


def _close_expired(connection: Connection) -> None:
    connection.expiry = None
    connection.socket.emit("error", error_event(ChatError(ErrorCode.TOKEN_EXPIRED).body))
    connection.socket.close_transport()


def revoke(services: Services, user_id: str) -> None:
    """Close every connection of a user who logged out or was disabled; clients do not reconnect after that."""
    for connection in services.registry.of_user(user_id):
        connection.socket.emit("error", error_event(ChatError(ErrorCode.UNAUTHORIZED).body))
        connection.socket.disconnect(close=True)


def kick(connection: Connection) -> None:
    """Close a connection for an operator; clients do not reconnect by themselves after that."""
    refused = ChatError(ErrorCode.FORBIDDEN, "An operator closed this connection.")
    connection.socket.emit("error", error_event(refused.body))
    connection.socket.disconnect(close=True)


def kick_user(services: Services, user_id: str) -> int:
    """Close every connection of a user to this server for an operator; return their number."""
    connections = services.registry.of_user(user_id)
    for connection in connections:
        kick(connection)
    return len(connections)


async def close_revoked(services: Services, user_ids: Sequence[str]) -> None:
    """Close the connections whose credentials are void according to the database, among those of these users.

    Raises:
        StoreError: as `Store.accounts_of`.
    """
    if not user_ids:
        return
    for account in await services.store.accounts_of(user_ids):
        for connection in services.registry.of_user(account.user.user_id):
            if connection.identity is not None and is_token_revoked(account, connection.identity.issued_at_ms):
                revoke(services, account.user.user_id)
                break


def disconnected(services: Services, connection: Connection, reason: str) -> None:
    """Remove a closed connection from presence, inboxes, conversations and registry, at a cost per joined room."""
    if connection.expiry is not None:
        connection.expiry.cancel()
        connection.expiry = None
    if connection.identity is None:
        return
    services.presence.disconnected(connection)
    if services.inbox.unsubscribe(connection):
        services.presence.inbox_ended()
    for conversation_id in list(connection.joined):
        services.membership.leave(connection, conversation_id)
    services.registry.remove(connection)
    if services.disconnected_log.is_due(services.clock.monotonic()):
        services.disconnected_log.write(socketId=connection.socket.id, userId=connection.user_id, reason=reason)


def error_event(error: ErrorBody, event: str | None = None) -> Failed:
    """Return the payload of the ``error`` event."""
    return Failed(
        message=error.message,
        code=error.code,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        event=UNSET if event is None else event,
    )
