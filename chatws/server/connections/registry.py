"""Who is connected: every socket's state, and every user's sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from chatws.engine import Socket
from chatws.protocol.entities import Conversation, ConversationStatus, PresenceChoice
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.server.auth.identity import Identity
from chatws.server.requests.rate_limit import RateLimiter
from chatws.settings import Settings


class InboxFilter(NamedTuple):
    """Which conversations a subscriber follows; None means any."""

    status: ConversationStatus | None
    assignee_id: str | None

    @property
    def room(self) -> str:
        """The room of everybody with this filter."""
        return f"inbox:{self.status or '*'}:{self.assignee_id or '*'}"

    def matches(self, conversation: Conversation) -> bool:
        """Whether the conversation belongs on the list."""
        assignee = conversation.assignee.user_id if conversation.assignee else None
        return self.status in (None, conversation.status) and self.assignee_id in (None, assignee)


class Connection:
    """What the chat knows of one socket."""

    __slots__ = ("choice", "expiry", "identity", "inbox", "joined", "rate_limiter", "slot", "socket")

    def __init__(self, socket: Socket, rate_limiter: RateLimiter | None, slot: int) -> None:
        self.socket = socket
        self.rate_limiter = rate_limiter
        """None when limits are off."""
        self.slot = slot
        """Which second of the positions round is this socket's."""
        self.identity: Identity | None = None
        """Set once, when the credentials were accepted."""
        self.joined: dict[str, None] = {}
        """Ids of the joined conversations in the order of joining; their state is in the hub."""
        self.choice: PresenceChoice = "online"
        self.inbox: InboxFilter | None = None
        """Set while the inbox is subscribed."""
        self.expiry: asyncio.TimerHandle | None = None
        """The next thing that happens to the credentials."""

    @property
    def user_id(self) -> str:
        """The user's id; only for authenticated connections."""
        assert self.identity is not None
        return self.identity.user.user_id

    @property
    def is_agent(self) -> bool:
        """Whether a token stands behind it."""
        return self.identity is not None and self.identity.kind == "token"


_NONE: Final[frozenset[Connection]] = frozenset()


class ConnectionRegistry:
    """Connections by user."""

    def __init__(self, settings: Settings) -> None:
        self._by_user: dict[str, set[Connection]] = {}
        limited = settings.limits == "on"
        self._per_agent = settings.connections_per_agent if limited else 0
        self._per_session = settings.connections_per_session if limited else 0
        self._slots = 0

    def __len__(self) -> int:
        return sum(len(mine) for mine in self._by_user.values())

    def next_slot(self) -> int:
        """Deal the slots of the positions round in turn."""
        self._slots += 1
        return self._slots

    def check_room_for(self, identity: Identity) -> None:
        """Refuse one connection too many.

        Raises:
            ChatError: ``connection_limit``.
        """
        allowed = self._per_agent if identity.kind == "token" else self._per_session
        if allowed and len(self._by_user.get(identity.user_id, ())) >= allowed:
            raise ChatError(ErrorCode.CONNECTION_LIMIT, f"At most {allowed} connections at once.")

    def add(self, connection: Connection) -> None:
        """Remember an authenticated connection."""
        self._by_user.setdefault(connection.user_id, set()).add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget it."""
        mine = self._by_user.get(connection.user_id)
        if mine is not None:
            mine.discard(connection)
            if not mine:
                del self._by_user[connection.user_id]

    def of_user(self, user_id: str) -> Iterable[Connection]:
        """Return the user's connections; a copy, so that closing them is safe."""
        return tuple(self._by_user.get(user_id, _NONE))

    def sockets_of(self, user_id: str) -> list[Socket]:
        """Return the user's sockets."""
        return [connection.socket for connection in self._by_user.get(user_id, _NONE)]

    def is_connected(self, user_id: str) -> bool:
        """Whether the user has a connection here."""
        return user_id in self._by_user

    def all(self) -> list[Connection]:
        """Return every authenticated connection."""
        return [connection for mine in self._by_user.values() for connection in mine]

    def agents(self) -> list[str]:
        """Return the ids of the agents connected here."""
        return [user_id for user_id, mine in self._by_user.items() if next(iter(mine)).is_agent]
