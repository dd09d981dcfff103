"""Authenticated connections of this server, by user."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple, Protocol

import msgspec

from chatws.engine import Socket
from chatws.protocol.entities import Conversation, ConversationStatus, PresenceChoice
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.responses import TraceRecord
from chatws.server.auth.identity import Identity
from chatws.server.requests.rate_limit import RateLimiter
from chatws.settings import Settings


class InboxFilter(NamedTuple):
    """Filter of an inbox subscription; None matches any value."""

    status: ConversationStatus | None
    assignee_id: str | None

    @property
    def room(self) -> str:
        """Name of the room of all subscribers with this filter."""
        return f"inbox:{self.status or '*'}:{self.assignee_id or '*'}"

    def matches(self, conversation: Conversation) -> bool:
        """Return whether the filter matches a conversation."""
        assignee = conversation.assignee.user_id if conversation.assignee else None
        return self.status in (None, conversation.status) and self.assignee_id in (None, assignee)


class TraceListener(Protocol):
    """Open trace of an operator."""

    def add(self, record: TraceRecord, args: list[msgspec.Raw]) -> None:
        """Record an event."""
        ...


class Connection:
    """State of one socket in the chat."""

    __slots__ = (
        "choice",
        "chosen_ms",
        "expiry",
        "identity",
        "inbox",
        "joined",
        "previous_pid",
        "rate_limiter",
        "receives_offsets",
        "slot",
        "socket",
        "tracers",
    )

    def __init__(self, socket: Socket, rate_limiter: RateLimiter | None, slot: int) -> None:
        self.socket = socket
        self.rate_limiter = rate_limiter
        """None when limits are off."""
        self.slot = slot
        """Number that selects the time in each period at which the socket receives ``positions``."""
        self.previous_pid: str | None = None
        """Beginning of the ``pid`` of the client's previous connection, on any server; None for a new client."""
        self.receives_offsets = False
        """Whether the client receives its positions, so that its next connection can be recovered."""
        self.identity: Identity | None = None
        """Set when the credentials were accepted."""
        self.joined: dict[str, bool] = {}
        """Ids of the joined conversations in the order of joining, each with whether its members know of the user."""
        self.choice: PresenceChoice = "online"
        self.chosen_ms = 0
        """Time of the choice; 0 if the user has chosen nothing on this client."""
        self.inbox: InboxFilter | None = None
        """Set while the inbox is subscribed."""
        self.expiry: asyncio.TimerHandle | None = None
        """Timer of the token's next event: warning or close."""
        self.tracers: tuple[TraceListener, ...] = ()
        """Open traces that include this connection."""

    def choose(self, choice: PresenceChoice, now_ms: int) -> bool:
        """Set the user's choice on this client; return whether it is new.

        It is later than the previous choice even if another server, whose clock is ahead, received that one.
        """
        if self.chosen_ms and self.choice == choice:
            return False
        self.choice, self.chosen_ms = choice, max(now_ms, self.chosen_ms + 1)
        return True

    @property
    def user_id(self) -> str:
        """Id of the user; valid only for authenticated connections."""
        assert self.identity is not None
        return self.identity.user.user_id

    @property
    def is_agent(self) -> bool:
        """Whether the connection was authenticated by a token."""
        return self.identity is not None and self.identity.kind == "token"


_NO_CONNECTIONS: Final[dict[Connection, None]] = {}


class ConnectionRegistry:
    """Authenticated connections by user, with the limit per user."""

    def __init__(self, settings: Settings) -> None:
        self._by_user: dict[str, dict[Connection, None]] = {}
        """Connections of each user in the order in which they were opened."""
        limited = settings.limits == "on"
        self._per_agent = settings.connections_per_agent if limited else 0
        self._per_session = settings.connections_per_session if limited else 0
        self._slots = 0

    def __len__(self) -> int:
        return sum(len(connections) for connections in self._by_user.values())

    @property
    def user_count(self) -> int:
        """Number of users with a connection here."""
        return len(self._by_user)

    def next_slot(self) -> int:
        """Return the next slot; slots are assigned in turn."""
        self._slots += 1
        return self._slots

    def check_limit(self, identity: Identity) -> None:
        """Reject a connection beyond the limit per user.

        Raises:
            ChatError: ``connection_limit``.
        """
        allowed = self._per_agent if identity.kind == "token" else self._per_session
        if allowed and len(self._by_user.get(identity.user_id, ())) >= allowed:
            raise ChatError(ErrorCode.CONNECTION_LIMIT, f"At most {allowed} connections at once.")

    def add(self, connection: Connection) -> None:
        """Add an authenticated connection."""
        self._by_user.setdefault(connection.user_id, {})[connection] = None

    def remove(self, connection: Connection) -> None:
        """Remove a connection."""
        connections = self._by_user.get(connection.user_id)
        if connections is not None:
            connections.pop(connection, None)
            if not connections:
                del self._by_user[connection.user_id]

    def of_user(self, user_id: str) -> tuple[Connection, ...]:
        """Return a copy of the user's connections, so that they can be closed in a loop."""
        return tuple(self._by_user.get(user_id, _NO_CONNECTIONS))

    def sockets_of(self, user_id: str) -> list[Socket]:
        """Return the user's sockets."""
        return [connection.socket for connection in self._by_user.get(user_id, _NO_CONNECTIONS)]

    def is_connected(self, user_id: str) -> bool:
        """Return whether the user has a connection here."""
        return user_id in self._by_user

    def all(self) -> list[Connection]:
        """Return every authenticated connection."""
        return [connection for connections in self._by_user.values() for connection in connections]

    def agents(self) -> list[str]:
        """Return the ids of the agents who are connected here."""
        return [user_id for user_id, connections in self._by_user.items() if next(iter(connections)).is_agent]
