"""Lifecycle of the connection: its phase, its state for the user, and the decision after each end."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

import msgspec

from chatws.client.core.backoff import reconnect_delay_s
from chatws.client.core.effects import Connect, ConnectionEnd, Deliver, Effect
from chatws.client.core.event_names import Event
from chatws.client.core.sdk_events import ConnectionChange, ConnectionState
from chatws.client.errors import CannotConnect, ClientError, ConnectionRejected, Disconnected
from chatws.protocol.errors import ERRORS, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from chatws.protocol.events import Authenticated, Failed

STABLE_AFTER_S = 5.0
"""Uptime after which the backoff restarts, so that a server that accepts and drops is not flooded with reconnects."""

MAX_RETRY_AFTER_S = 60.0
"""Upper bound of a delay that the server requests."""

DRAIN_TIMEOUT_S = 15.0
"""A draining server closes within 10 s (contract); after this time the client closes."""

USER_REASON = "client disconnect"


class ConnectionPhase(Enum):
    """Phase of the connection."""

    IDLE = auto()
    """No connection is open or being opened."""
    CONNECTING = auto()
    """The connection is being opened, or waits for the backoff delay."""
    UP = auto()
    CLOSING = auto()
    """The connection is being closed; the driver has not reported its end yet."""


_UP = ConnectionPhase.UP
"""Read for every event: in Python 3.11, an attribute of an enumeration takes ten times as long to read as a global."""


class ConnectionLifecycle:
    """Decision between reconnect and failure after each end; `failure` holds the error once it is final."""

    def __init__(self, rng: Random, *, renewable: bool, max_attempts: int | None, retry_first: bool) -> None:
        self.phase = ConnectionPhase.IDLE
        self.state: ConnectionState = "disconnected"
        self.reason = "not connected yet"
        self.user: Authenticated | None = None
        self.pid = ""
        """``pid`` in the last reply to CONNECT; servers recognise the client by it when it returns."""
        self.failure: ClientError | None = None
        self.reconnects = 0
        self.uptime_s = 0.0
        self.opened_at: float | None = None
        self.drain_after_s: float | None = None
        """Set while the server drains: the delay before the reconnect."""
        self.drain_deadline: float | None = None
        self._rng = rng
        self._renewable = renewable
        self._max_attempts = max_attempts
        self._retry_first = retry_first
        self._opened_once = False
        self._stopping = False
        self._attempt = 0
        self._failures = 0
        self._last_error: Failed | None = None

    @property
    def is_up(self) -> bool:
        """Whether requests may be sent."""
        return self.phase is _UP and self.drain_after_s is None

    def connect_auth(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """Return the payload of CONNECT; the session catches up by itself, so it needs no connection state recovery."""
        auth = {**credentials, "recovery": "off"}
        return auth if self.user is None else {**auth, "pid": self.pid}

    def start(self) -> list[Effect]:
        """Start connecting."""
        self.phase, self.failure = ConnectionPhase.CONNECTING, None
        self._opened_once = self._stopping = False
        self._attempt = self._failures = 0
        return [Connect(0.0)]

    def opened(self, user: Authenticated, now: float) -> list[Effect]:
        """Record an authenticated connection."""
        self.phase, self.user, self.opened_at = ConnectionPhase.UP, user, now
        self.reconnects += self._opened_once
        self._opened_once = True
        self._failures = 0
        self._last_error = None
        return self._change("connected", "connected")

    def record_error(self, event: Failed) -> None:
        """Record the server's last error event, which is the reason of a following DISCONNECT."""
        self._last_error = event

    def drain(self, retry_after_ms: int, now: float) -> None:
        """Stop sending, and reconnect after the delay that the draining server requests."""
        self.drain_after_s = min(retry_after_ms / 1000, MAX_RETRY_AFTER_S)
        self.drain_deadline = now + DRAIN_TIMEOUT_S

    def stop(self) -> list[Effect]:
        """Close for good at the user's request."""
        self._stopping = True
        self.drain_deadline = None
        self.failure = Disconnected(USER_REASON)
        self.phase = ConnectionPhase.IDLE if self.phase is ConnectionPhase.IDLE else ConnectionPhase.CLOSING
        was_disconnected = self.state == "disconnected"
        change = self._change("disconnected", USER_REASON)
        return [] if was_disconnected else change

    def close(self) -> None:
        """Close the connection; another one is opened after its end."""
        self.phase, self.drain_deadline = ConnectionPhase.CLOSING, None

    def ended(self, end: ConnectionEnd, now: float) -> list[Effect]:
        """Record the end and decide: another attempt, or `failure`."""
        connected_s = 0.0 if self.opened_at is None else now - self.opened_at
        self.uptime_s += connected_s
        if connected_s >= STABLE_AFTER_S:
            self._attempt = 0
        self.opened_at = None
        draining_s, self.drain_after_s, self.drain_deadline = self.drain_after_s, None, None
        if self._stopping:
            self.phase = ConnectionPhase.IDLE
            return []
        self.failure = self._decide_failure(end, draining=draining_s is not None)
        if self.failure is not None:
            self.phase = ConnectionPhase.IDLE
            return self._change("disconnected", str(self.failure))
        return self._retry(end, draining_s)

    def _retry(self, end: ConnectionEnd, draining_s: float | None) -> list[Effect]:
        delay_s = reconnect_delay_s(self._attempt, self._rng)
        if draining_s is not None:
            delay_s = draining_s
        elif end.retry_after_s is not None:
            delay_s = max(delay_s, min(end.retry_after_s, MAX_RETRY_AFTER_S))
        self._attempt += 1
        self._failures += 1
        self.phase, self.state, self.reason = ConnectionPhase.CONNECTING, "reconnecting", end.reason
        change = ConnectionChange("reconnecting", end.reason, self._failures, delay_s)
        return [Deliver(Event.CONNECTION_CHANGE, change), Connect(delay_s)]

    def _decide_failure(self, end: ConnectionEnd, *, draining: bool) -> ClientError | None:
        """Return the error if this end is final; None if another attempt may succeed."""
        if end.by_server and not draining:
            last = self._last_error
            return (
                ConnectionRejected(ErrorCode.UNAUTHORIZED, end.reason)
                if last is None
                else ConnectionRejected(last.code, last.message)
            )
        if end.code is not None and not self._is_retryable(end.code):
            return ConnectionRejected(end.code, end.reason)
        if not self._opened_once and not self._retry_first and not self._renews_first_token(end):
            return CannotConnect(end.reason) if end.code is None else ConnectionRejected(end.code, end.reason)
        if self._max_attempts is not None and self._failures >= self._max_attempts:
            return CannotConnect(f"gave up after {self._failures} attempts ({end.reason})")
        return None

    def _is_retryable(self, code: ErrorCode) -> bool:
        if code is ErrorCode.TOKEN_EXPIRED:
            return self._renewable
        return ERRORS[code].retryable or code is ErrorCode.INTERNAL

    def _renews_first_token(self, end: ConnectionEnd) -> bool:
        return end.code is ErrorCode.TOKEN_EXPIRED and self._failures == 0

    def _change(self, state: ConnectionState, reason: str) -> list[Effect]:
        self.state, self.reason = state, reason
        return [Deliver(Event.CONNECTION_CHANGE, ConnectionChange(state, reason))]


class _ConnectReply(msgspec.Struct, frozen=True):
    sid: str = ""
    pid: str | None = None


def read_pid(raw_json: str) -> str:
    """Return the ``pid`` in the reply to CONNECT; or the socket id if the server sends none."""
    try:
        reply = msgspec.json.decode(raw_json, type=_ConnectReply)
    except msgspec.DecodeError:
        return ""
    return reply.sid if reply.pid is None else reply.pid
