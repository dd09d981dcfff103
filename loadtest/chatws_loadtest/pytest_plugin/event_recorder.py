"""Recorder of a client's events, which a test expects one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from chatws.client import Event
from chatws.client.core.sdk_events import MessageReceived

MAX_SHOWN: Final = 20
"""Events listed in the message of a failed expectation."""
MAX_TEXT: Final = 200

Condition = Callable[[Any], bool]


class ExpectationFailed(AssertionError):
    """An event did not arrive, or one arrived that must not; the text lists the events that did arrive."""


class EventRecorder:
    """Events of one client in the order of their arrival; an expected event is not matched again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[tuple[str, Any]] = []
        self._unmatched: list[tuple[str, Any]] = []
        self._arrival = asyncio.Event()

    def record(self, name: str, payload: object) -> None:
        """Add an event; a callback for `chatws.client.base.ChatClient.on_event`."""
        self.events.append((str(name), payload))
        # A test that expects a message means one of the peer.
        if not (isinstance(payload, MessageReceived) and payload.own):
            self._unmatched.append((str(name), payload))
        self._arrival.set()

    async def expect(self, name: str, within_s: float, condition: Condition | None, fields: dict[str, Any]) -> Any:  # noqa: ANN401  the type follows from the event's name
        """Wait for an event with these fields, and return its payload.

        Raises:
            ExpectationFailed: it did not arrive in time.
        """
        __tracebackhide__ = True
        _require_event(name)
        try:
            async with asyncio.timeout(within_s):
                while True:
                    self._arrival.clear()
                    index = self._find(name, condition, fields)
                    if index is not None:
                        return self._unmatched.pop(index)[1]
                    await self._arrival.wait()
        except TimeoutError:
            wanted = _describe_wanted(name, condition, fields)
            text = f"{self.name} expected {wanted} within {within_s:g} s; {self._describe_unmatched()}"
            raise ExpectationFailed(text) from None

    async def expect_nothing(
        self, name: str, during_s: float, condition: Condition | None, fields: dict[str, Any]
    ) -> None:
        """Wait, and check that no event with these fields arrived before or meanwhile.

        Raises:
            ExpectationFailed: one did.
        """
        __tracebackhide__ = True
        _require_event(name)
        try:
            async with asyncio.timeout(during_s):
                while self._find(name, condition, fields) is None:
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            return
        wanted = _describe_wanted(name, condition, fields)
        raise ExpectationFailed(f"{self.name} expected no {wanted}; {self._describe_unmatched()}")

    def _find(self, name: str, condition: Condition | None, fields: dict[str, Any]) -> int | None:
        for index, (found, payload) in enumerate(self._unmatched):
            if found == name and _matches(payload, condition, fields):
                return index
        return None

    def _describe_unmatched(self) -> str:
        if not self._unmatched:
            return "no other event arrived"
        lines = [f"  {name} {_shorten(payload)}" for name, payload in self._unmatched[-MAX_SHOWN:]]
        omitted = len(self._unmatched) - len(lines)
        first = [f"  … {omitted} earlier events"] if omitted else []
        return "\n".join(["these events arrived:", *first, *lines])


def _require_event(name: str) -> None:
    __tracebackhide__ = True
    if name not in set(Event):
        raise ValueError(f"there is no event {str(name)!r}; there are {', '.join(Event)}")


def _matches(payload: object, condition: Condition | None, fields: dict[str, Any]) -> bool:
    if any(getattr(payload, field, None) != value for field, value in fields.items()):
        return False
    return condition is None or condition(payload)


def _describe_wanted(name: str, condition: Condition | None, fields: dict[str, Any]) -> str:
    parts = [f"{field}={value!r}" for field, value in fields.items()]
    if condition is not None:
        parts.append("the condition")
    return f"{name!s} with {', '.join(parts)}" if parts else str(name)


def _shorten(payload: object) -> str:
    if isinstance(payload, MessageReceived):
        return f"content={payload.content!r} sender={payload.sender.user_name!r} seq={payload.seq}"
    text = repr(payload)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
