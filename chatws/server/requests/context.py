"""Context of one request: identity, rate limit and origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chatws.protocol.entities import User
from chatws.server.auth.identity import Identity
from chatws.server.bot.reply import BotReply
from chatws.server.connections.registry import Connection
from chatws.server.requests.rate_limit import RateLimiter


@dataclass(slots=True)
class RequestContext:
    """Origin of a request: a connection, or a REST request without one."""

    identity: Identity | None
    rate_limiter: RateLimiter | None
    """None when limits are off, and for services."""
    connection: Connection | None = None
    address: str = ""
    """Client address of a REST request; a connection's address is in its handshake."""
    on_reply: Callable[[BotReply], None] | None = None
    """Called with the bot's reply if a REST request streams the reply instead of waiting for its end."""

    @property
    def user(self) -> User:
        """Authenticated user; valid only after the pipeline has checked the identity."""
        assert self.identity is not None
        return self.identity.user
