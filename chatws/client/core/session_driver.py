"""Base of the drivers: dispatch of a session's effects, and request ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from chatws.client.core import effects

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.client.core.session import ChatSession
    from chatws.client.errors import ClientError
    from chatws.protocol.entities import Wire
    from chatws.protocol.events import Authenticated
    from chatws.protocol.responses import Ok


class SessionDriver(ABC):
    """Connects a session to a transport, a clock and its user; subclasses perform the effects."""

    def __init__(self, session: ChatSession) -> None:
        self.session = session
        self._last_request_id = 0

    def _make_request(
        self, request: Callable[[int, float], list[effects.Effect]], now: float
    ) -> tuple[int, list[effects.Effect]]:
        """Pass a request to the session under a new id; returns the id and the effects.

        Raises:
            OutboxFull: the session accepts no more requests.
        """
        self._last_request_id += 1
        return self._last_request_id, request(self._last_request_id, now)

    def _perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Emit(command_id, name, payload):
                self._emit(command_id, name, payload)
            case effects.Deliver(name, payload):
                self._deliver(name, payload)
            case effects.MessageSent(request_id):
                self._record_sent(request_id)
            case effects.Resolve(request_id, outcome):
                self._resolve(request_id, outcome)
            case effects.Connect(delay_s):
                self._connect_after(delay_s)
            case effects.Drop(reason):
                self._drop(reason)
            case effects.RenewToken():
                self._start_renewal()

    @abstractmethod
    def _emit(self, command_id: int, name: str, payload: Wire | str) -> None:
        """Send a request, unless there is no connection."""

    @abstractmethod
    def _deliver(self, name: str, payload: object) -> None:
        """Pass an event to the user."""

    @abstractmethod
    def _record_sent(self, request_id: int) -> None:
        """Record that a queued message was sent, for the first time or again."""

    @abstractmethod
    def _resolve(self, request_id: int, outcome: Ok | Authenticated | ClientError) -> None:
        """Pass the outcome of a request to its caller."""

    @abstractmethod
    def _connect_after(self, delay_s: float) -> None:
        """Open a connection after a delay."""

    @abstractmethod
    def _drop(self, reason: str) -> None:
        """Close the connection, or stop opening one; ``connection_ended`` follows."""

    @abstractmethod
    def _start_renewal(self) -> None:
        """Request a fresh token from the user; ``token_renewed`` follows."""
