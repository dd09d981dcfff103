"""A witness that remembers everything, and waits for what a test is about."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

import gevent
import gevent.event

from chatws.client.core.sdk_events import MessageReceived
from chatws.client.gevent.driver import GeventDriver, Outcome
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws.protocol.entities import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.client.core.effects import ConnectionEnd, Effect
    from chatws.client.gevent.websocket import ConnectTimings
    from chatws.protocol.commands import SendMessage
    from chatws.protocol.responses import Ok, Refused

T = TypeVar("T")
TIMEOUT_S = 30.0


class Witnessed:
    """One driver and what was seen of it."""

    def __init__(self, url: str, auth: dict[str, str], **options: float) -> None:
        self.opened: list[tuple[ConnectTimings, float]] = []
        self.ends: list[ConnectionEnd] = []
        self.events: list[tuple[str, object]] = []
        self.replies: list[tuple[str, Ok | Refused]] = []
        self.repeated: list[str] = []
        self.told: list[object] = []
        self._happened = gevent.event.Event()
        self.driver = GeventDriver(resolve_endpoint(url), lambda: auth, self, Random(1), tell=self._tell, **options)  # type: ignore[arg-type]  # only timeout_s

    def saw_opened(self, times: ConnectTimings, authenticated_s: float) -> None:
        self.opened.append((times, authenticated_s))
        self._happened.set()

    def saw_ended(self, end: ConnectionEnd, ended_s: float) -> None:
        del ended_s
        self.ends.append(end)
        self._happened.set()

    def saw_event(self, name: str, payload: object, heard_s: float) -> None:
        del heard_s
        self.events.append((name, payload))
        self._happened.set()

    def saw_reply(self, name: str, reply: Ok | Refused, heard_s: float) -> None:
        del heard_s
        self.replies.append((name, reply))
        self._happened.set()

    def saw_repeat(self, message: SendMessage) -> None:
        self.repeated.append(message.content)

    def _tell(self, name: str, payload: object) -> None:
        del name
        self.told.append(payload)
        self._happened.set()

    @property
    def contents(self) -> list[str]:
        """Messages the session told, in order."""
        return [payload.content for payload in self.told if isinstance(payload, MessageReceived)]

    @property
    def live(self) -> list[str]:
        """Messages that were broadcast, in order of arrival."""
        return [payload.content for _, payload in self.events if isinstance(payload, Message)]

    def wait(self, find: Callable[[], T]) -> T:
        """Let the hub run until ``find`` gives something true."""
        with gevent.Timeout(TIMEOUT_S, AssertionError(f"never happened; {self.events} {self.replies} {self.ends}")):
            while not (found := find()):
                self._happened.clear()
                self._happened.wait()
        return found

    def ask(self, request: Callable[[int, float], list[Effect]]) -> Outcome:
        """Make a request of the session and wait for its outcome."""
        outcomes: list[Outcome] = []

        def settle(outcome: Outcome) -> None:
            outcomes.append(outcome)
            self._happened.set()

        self.driver.ask(request, settle)
        return self.wait(lambda: outcomes)[0]

    def connect(self) -> Outcome:
        return self.ask(self.driver.session.start)

    def join(self, conversation_id: str) -> Outcome:
        session = self.driver.session
        return self.ask(lambda request_id, now: session.join(request_id, conversation_id, None, None, now))

    def say(self, conversation_id: str, content: str) -> Outcome:
        session = self.driver.session
        own_id = f"id-{content.replace(' ', '-')}"
        return self.ask(lambda request_id, now: session.post(request_id, conversation_id, content, own_id, now))
