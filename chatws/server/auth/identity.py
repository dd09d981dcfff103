"""Authentication of agents by token and of customers by session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from msgspec import UNSET

from chatws.protocol.commands import Authenticate
from chatws.protocol.entities import ConversationStatus, Role, User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import new_id
from chatws.server.auth import tokens
from chatws.server.auth.keys import KeyRing
from chatws.server.clock import Clock
from chatws.settings import Settings
from chatws.store.interface import Account, CustomerSession, Store

MAX_SESSION_ID_CHARS = 128


@dataclass(frozen=True, slots=True)
class Identity:
    """Authenticated user of a connection or a REST request; ``session_id`` is a secret, set for customers only."""

    user: User
    kind: Literal["token", "session"]
    expires_at_ms: int
    issued_at_ms: int
    login_at_ms: int
    session_id: str | None = field(default=None, repr=False)
    is_operator: bool = False
    """Whether the token allows to list, close and trace connections."""

    @property
    def user_id(self) -> str:
        return self.user.user_id


class Authenticator:
    """Checks tokens and sessions against the keys, the settings and the store."""

    def __init__(self, settings: Settings, keys: KeyRing, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._store = store
        self._clock = clock

    async def identify(self, credentials: Authenticate, *, first_status: ConversationStatus) -> Identity:
        """Check the credentials: a token or a session id.

        Raises:
            ChatError: ``bad_request`` unless exactly one is given, ``unauthorized``, ``token_expired`` or
                ``session_expired``.
        """
        token, session_id = credentials.token, credentials.session_id
        if (token is UNSET) == (session_id is UNSET):
            raise ChatError(ErrorCode.BAD_REQUEST, "Give either token or sessionId.")
        if token is not UNSET:
            return await self.identify_agent(token)
        assert session_id is not UNSET
        return await self.identify_customer(session_id, first_status=first_status)

    async def identify_agent(self, token: str) -> Identity:
        """Check the JWT of an agent or a service; an unknown one is created from its claims.

        Raises:
            ChatError: ``unauthorized`` or ``token_expired``.
        """
        now_ms = self._clock.now_ms()
        try:
            claims = tokens.verify(token, self._keys, self._settings, now_s=now_ms / 1000)
        except tokens.TokenExpired:
            raise ChatError(ErrorCode.TOKEN_EXPIRED) from None
        except tokens.TokenError:
            raise ChatError(ErrorCode.UNAUTHORIZED) from None
        role: Role = "bot" if claims.is_service else "admin"
        account = await self._find_or_create_account(claims, role)
        if account.user.role != role or is_token_revoked(account, claims.issued_at_s * 1000):
            raise ChatError(ErrorCode.UNAUTHORIZED)
        return Identity(
            user=account.user,
            kind="token",
            expires_at_ms=int(claims.expires_at_s * 1000),
            issued_at_ms=int(claims.issued_at_s * 1000),
            login_at_ms=int(claims.login_at_s * 1000),
            is_operator=claims.is_operator,
        )

    def issue(self, user: User, login_at_ms: int) -> tuple[str, int]:
        """Sign a token for an agent who logged in at ``login_at_ms``; return it and its expiry (Unix time, ms).

        Raises:
            ChatError: ``forbidden`` if the server has only a public key and another system signs tokens.
        """
        if not self._keys.can_sign:
            raise ChatError(ErrorCode.FORBIDDEN, "This server only verifies tokens; log in where they are issued.")
        now_ms = self._clock.now_ms()
        renewable_s = login_at_ms // 1000 + self._settings.login_ttl_s - now_ms // 1000
        expires_at_s = now_ms // 1000 + max(1, min(self._settings.token_ttl_s, renewable_s))
        token = tokens.mint(
            self._keys,
            self._settings,
            subject=user.user_id,
            name=user.user_name,
            ttl_s=expires_at_s - now_ms // 1000,
            login_at_s=login_at_ms / 1000,
            now_s=now_ms / 1000,
        )
        return token, expires_at_s * 1000

    async def _find_or_create_account(self, claims: tokens.Claims, role: Role) -> Account:
        account = await self._store.account(claims.subject)
        if account is None:
            user = User(user_id=claims.subject, user_name=claims.name, role=role)
            account = await self._store.ensure_user(user, claims.email)
        return account

    async def identify_customer(self, session_id: str, *, first_status: ConversationStatus) -> Identity:
        """Look up a session and extend it (`should_extend_session`); in development mode an unknown id creates one.

        Raises:
            ChatError: ``unauthorized`` or ``session_expired``.
        """
        if not 0 < len(session_id) <= MAX_SESSION_ID_CHARS:
            raise ChatError(ErrorCode.UNAUTHORIZED)
        now_ms = self._clock.now_ms()
        ttl_ms = self._settings.session_ttl_s * 1000
        expires_at_ms = now_ms + ttl_ms
        session = await self._store.session(session_id)
        if session is None:
            session = await self._create_dev_session(session_id, expires_at_ms, first_status)
        elif session.expires_at_ms <= now_ms:
            raise ChatError(ErrorCode.SESSION_EXPIRED)
        elif should_extend_session(session.expires_at_ms, now_ms, ttl_ms):
            await self._store.touch_session(session_id, expires_at_ms)
        else:
            expires_at_ms = session.expires_at_ms
        return Identity(
            user=session.user,
            kind="session",
            expires_at_ms=expires_at_ms,
            issued_at_ms=now_ms,
            login_at_ms=now_ms,
            session_id=session_id,
        )

    async def _create_dev_session(
        self, session_id: str, expires_at_ms: int, status: ConversationStatus
    ) -> CustomerSession:
        if not self._settings.is_dev:
            raise ChatError(ErrorCode.UNAUTHORIZED)
        user = new_customer(self._clock.now_ms())
        return await self._store.create_session(session_id, user, expires_at_ms, None, status)


def is_token_revoked(account: Account, issued_at_ms: float) -> bool:
    """Return whether a token is void: the account is disabled, or its tokens were revoked after that time."""
    return account.disabled or issued_at_ms < account.tokens_valid_after_ms


def should_extend_session(expires_at_ms: int, now_ms: int, ttl_ms: int) -> bool:
    """Return whether using a session stores a new expiry: only after a tenth of its lifetime has passed.

    With a commit for every connection, that commit was a tenth of a connection's cost.
    """
    return now_ms < expires_at_ms < now_ms + ttl_ms * 0.9


def new_customer(now_ms: int, name: str | None = None) -> User:
    """Create a customer; the default name ends with a part of the id, so that agents can distinguish customers."""
    user_id = new_id(now_ms)
    return User(user_id=user_id, user_name=name or f"Customer {user_id[-4:]}", role="customer")
