"""Recorder of the events that a client delivers, on which tests can wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from chatws.client import AgentClient, ClientOptions, ConnectionChange, CustomerClient, Event, MessageReceived

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

C = TypeVar("C", AgentClient, CustomerClient)


class RecordingListener(Generic[C]):
    """A client and all events that it delivered, in order."""

    def __init__(self, client: C) -> None:
        self.client: C = client
        self.events: list[tuple[str, object]] = []
        self._recorded = asyncio.Event()
        client.on_event(self._record)

    @staticmethod
    def customer(url: str, session_id: str, options: ClientOptions | None = None) -> RecordingListener[CustomerClient]:
        return RecordingListener(CustomerClient(url, session_id, options=options))

    @staticmethod
    def agent(
        url: str, token: str | Callable[[], str | Awaitable[str]], options: ClientOptions | None = None
    ) -> RecordingListener[AgentClient]:
        return RecordingListener(AgentClient(url, token, options=options))

    def of(self, name: str) -> list[object]:
        """Return the payloads of all events of a name."""
        return [payload for event, payload in self.events if event == name]

    @property
    def messages(self) -> list[MessageReceived]:
        return [payload for payload in self.of(Event.MESSAGE_RECEIVED) if isinstance(payload, MessageReceived)]

    @property
    def contents(self) -> list[str]:
        return [message.content for message in self.messages]

    @property
    def states(self) -> list[str]:
        return [change.state for change in self.of(Event.CONNECTION_CHANGE) if isinstance(change, ConnectionChange)]

    async def wait_for(self, condition: Callable[[Self], bool]) -> None:
        """Return once the recorded events fulfil a condition."""
        async with asyncio.timeout(30):
            while not condition(self):
                self._recorded.clear()
                await self._recorded.wait()

    async def wait_messages(self, count: int) -> list[str]:
        """Wait for ``count`` messages and return their contents."""
        await self.wait_for(lambda listener: len(listener.messages) >= count)
        return self.contents

    def _record(self, name: str, payload: object) -> None:
        self.events.append((name, payload))
        self._recorded.set()
