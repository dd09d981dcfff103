"""What the engine raises to the program that uses it.

EngineError
 ├─ ConnectRefused    raised by the program to refuse a CONNECT
 ├─ AlreadyAnswered   a second reply to one event
 └─ CallFailed        ``Socket.call`` got no ack
     ├─ AckTimeout
     └─ Disconnected
"""

from __future__ import annotations

import asyncio


class EngineError(Exception):
    """Base of everything below."""


class ConnectRefused(EngineError):
    """Refuses a CONNECT: the client gets CONNECT_ERROR ``{message, data}`` and its transport is closed."""

    def __init__(self, message: str, details: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class AlreadyAnswered(EngineError):
    """An event's ack can be sent once."""

    def __init__(self, event_name: str) -> None:
        super().__init__(event_name)
        self.event_name = event_name

    def __str__(self) -> str:
        return f"the ack of {self.event_name!r} was sent before"


class CallFailed(EngineError):
    """The client's answer to ``Socket.call`` did not come; whether it acted is unknown."""

    def __init__(self, event_name: str) -> None:
        super().__init__(event_name)
        self.event_name = event_name


class AckTimeout(CallFailed):
    """No ack in time."""

    def __str__(self) -> str:
        return f"no ack of {self.event_name!r} in time"


class SocketDisconnected(CallFailed):
    """The socket is not connected, or stopped being so before the ack."""

    def __str__(self) -> str:
        return f"disconnected before the ack of {self.event_name!r}"


def is_cancelled(error: BaseException) -> bool:
    """Tell whether the running task is to end; a handler can also raise the cancellation of what it waited for."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
