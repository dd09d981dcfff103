"""Exceptions between the engine and the program that uses it.

EngineError
 ├─ ConnectRefused          raised by the program to refuse a CONNECT
 ├─ AlreadyAnswered         a second reply to one event
 └─ CallFailed              ``Socket.call`` got no ack
     ├─ AckTimeout
     └─ SocketDisconnected
"""

from __future__ import annotations

import asyncio


class EngineError(Exception):
    """Base class of the engine's exceptions."""


class ConnectRefused(EngineError):
    """Refusal of a CONNECT: the client gets CONNECT_ERROR ``{message, data}`` and its transport is closed."""

    def __init__(self, message: str, details: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class AlreadyAnswered(EngineError):
    """Second reply to an event whose ack was already sent."""

    def __init__(self, event_name: str) -> None:
        super().__init__(event_name)
        self.event_name = event_name

    def __str__(self) -> str:
        return f"the ack of {self.event_name!r} was sent before"


class CallFailed(EngineError):
    """``Socket.call`` without an ack; whether the client handled the event is unknown."""

    def __init__(self, event_name: str) -> None:
        super().__init__(event_name)
        self.event_name = event_name


class AckTimeout(CallFailed):
    """Call whose ack did not arrive in time."""

    def __str__(self) -> str:
        return f"no ack of {self.event_name!r} in time"


class SocketDisconnected(CallFailed):
    """Call on a socket that was not connected, or that ended before the ack."""

    def __str__(self) -> str:
        return f"disconnected before the ack of {self.event_name!r}"


def is_cancelled(error: BaseException) -> bool:
    """Return True if the running task was cancelled; a handler may also raise the cancellation of another task."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
