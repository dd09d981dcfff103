"""Registry of open sessions, and of closed polling transports that still have packets for a last poll."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatws.engine.context import EngineContext
from chatws.engine.polling import PollingTransport
from chatws.engine.session import EngineSession
from chatws.engine.transport import Transport


class SessionRegistry:
    """Open sessions by id."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._sessions: dict[str, EngineSession] = {}
        self._last_polls: dict[str, PollingTransport] = {}
        self.sessions: Mapping[str, EngineSession] = MappingProxyType(self._sessions)
        """Read-only view of the open sessions."""

    @property
    def last_poll_count(self) -> int:
        """Number of closed polling transports that wait for a last poll."""
        return len(self._last_polls)

    def add(self, session: EngineSession) -> None:
        """Add an open session."""
        self._sessions[session.sid] = session

    def remove(self, session: EngineSession, transport: Transport) -> None:
        """Remove a closed session; keep its transport for ``polling_linger_s`` if a poll has to take its packets."""
        self._sessions.pop(session.sid, None)
        if isinstance(transport, PollingTransport) and transport.awaits_last_poll:
            self._last_polls[session.sid] = transport
            self._context.loop.call_later(
                self._context.options.polling_linger_s, self._last_polls.pop, session.sid, None
            )

    def last_poll(self, sid: str) -> PollingTransport | None:
        """Return the transport of a closed session that still has packets for a poll."""
        return self._last_polls.get(sid)

    def discard_last_poll(self, sid: str) -> None:
        """Remove a transport whose last poll is being answered."""
        self._last_polls.pop(sid, None)
