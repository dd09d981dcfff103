"""Observer of a gevent driver that records every callback and can wait for one."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

import gevent
import gevent.event

from chatws.client.core.sdk_events import MessageReceived
from chatws.client.gevent.driver import GeventDriver, Outcome
from chatws.client.gevent.endpoint import resolve_endpoint
from chatws.client.gevent.transport_choice import TransportChoice
from chatws.protocol.entities import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.client.core.effects import ConnectionEnd, Effect
    from chatws.client.gevent.connection import ConnectTimings
    from chatws.protocol.commands import SendMessage
    from chatws.protocol.responses import Ok, Refused

T = TypeVar("T")
TIMEOUT_S = 30.0


class RecordingObserver:
    """One driver, and everything that it reported."""

    def __init__(
        self,
        url: str,
        auth: dict[str, str],
        transport: TransportChoice = TransportChoice.WEBSOCKET,
        *,
        timeout_s: float = 10.0,
    ) -> None:
        self.opened: list[tuple[ConnectTimings, float]] = []
        self.upgrades: list[ConnectTimings] = []
        self.failed_upgrades: list[str] = []
        self.ends: list[ConnectionEnd] = []
        self.events: list[tuple[str, object]] = []
        self.replies: list[tuple[str, Ok | Refused]] = []
        self.repeated: list[str] = []
        self.unanswered: list[str] = []
        self.malformed: list[str] = []
        self.delivered: list[object] = []
        self._changed = gevent.event.Event()
        self.driver = GeventDriver(
            resolve_endpoint(url),
            lambda: auth,
            self,
            Random(1),
            transport=transport,
            timeout_s=timeout_s,
            deliver=self._deliver,
        )

    def on_opened(self, times: ConnectTimings, authenticated_s: float) -> None:
        self.opened.append((times, authenticated_s))
        self._changed.set()

    def on_upgraded(self, times: ConnectTimings) -> None:
        self.upgrades.append(times)
        self._changed.set()

    def on_upgrade_failed(self, reason: str) -> None:
        self.failed_upgrades.append(reason)
        self._changed.set()

    def on_ended(self, end: ConnectionEnd, ended_s: float) -> None:
        del ended_s
        self.ends.append(end)
        self._changed.set()

    def on_event(self, name: str, payload: object, received_s: float) -> None:
        del received_s
        self.events.append((name, payload))
        self._changed.set()

    def on_reply(self, name: str, reply: Ok | Refused, received_s: float) -> None:
        del received_s
        self.replies.append((name, reply))
        self._changed.set()

    def on_repeat(self, message: SendMessage) -> None:
        self.repeated.append(message.content)

    def on_unanswered(self, message: SendMessage) -> None:
        self.unanswered.append(message.content)

    def on_malformed_ack(self, name: str, raw_json: str) -> None:
        self.malformed.append(f"{name} {raw_json}")

    def on_second_ack(self, raw_json: str) -> None:
        self.malformed.append(f"second {raw_json}")
        self._changed.set()

    def _deliver(self, name: str, payload: object) -> None:
        del name
        self.delivered.append(payload)
        self._changed.set()

    @property
    def contents(self) -> list[str]:
        """Contents of the messages that the session delivered, in order."""
        return [payload.content for payload in self.delivered if isinstance(payload, MessageReceived)]

    @property
    def live(self) -> list[str]:
        """Contents of the messages that were received as broadcasts, in order of arrival."""
        return [payload.content for _, payload in self.events if isinstance(payload, Message)]

    def wait(self, find: Callable[[], T]) -> T:
        """Run the hub until ``find`` returns a true value, and return it."""
        with gevent.Timeout(TIMEOUT_S, AssertionError(f"timeout; {self.events} {self.replies} {self.ends}")):
            while not (found := find()):
                self._changed.clear()
                self._changed.wait()
        return found

    def ask(self, request: Callable[[int, float], list[Effect]]) -> Outcome:
        """Make a request of the session and wait for its outcome."""
        outcomes: list[Outcome] = []

        def resolve(outcome: Outcome) -> None:
            outcomes.append(outcome)
            self._changed.set()

        self.driver.ask(request, resolve)
        return self.wait(lambda: outcomes)[0]

    def connect(self) -> Outcome:
        return self.ask(self.driver.session.start)

    def join(self, conversation_id: str) -> Outcome:
        session = self.driver.session
        return self.ask(lambda request_id, now: session.join(request_id, conversation_id, None, None, now))

    def send(self, conversation_id: str, content: str) -> Outcome:
        session = self.driver.session
        message_id = f"id-{content.replace(' ', '-')}"
        return self.ask(lambda request_id, now: session.post(request_id, conversation_id, content, message_id, now))
