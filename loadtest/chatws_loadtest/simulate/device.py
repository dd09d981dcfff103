"""Simulated device: the real client core, driven by the virtual clock and the simulated network."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Protocol

from chatws.client.core import effects
from chatws.client.core.connection import USER_REASON, ConnectionPhase, read_pid
from chatws.client.core.session import ChatSession, SessionOptions
from chatws.client.core.session_driver import SessionDriver
from chatws.client.errors import ClientError
from chatws.protocol.commands import ChangeConversation, MarkRead, SetPresence, SubscribeInbox
from chatws.protocol.entities import PresenceChoice, Wire
from chatws.protocol.events import Authenticated
from chatws.protocol.responses import Ok, Refused
from chatws_loadtest.simulate.device_connection import DeviceConnection
from chatws_loadtest.simulate.invariants import Judge
from chatws_loadtest.simulate.screen import Screen
from chatws_loadtest.simulate.trace import SimulationTrace

Outcome = Ok | Authenticated | ClientError


class DeviceSimulation(Protocol):
    """Parts of the simulation that devices share."""

    seed: int
    judge: Judge
    trace: SimulationTrace

    def connect(self, device: SimulatedDevice, number: int) -> DeviceConnection:
        """Open the numbered connection of a device."""


class PostedMessage:
    """Message that a user posted, and its outcome."""

    __slots__ = ("content", "conversation_id", "outcome")

    def __init__(self, conversation_id: str, content: str) -> None:
        self.conversation_id = conversation_id
        self.content = content
        self.outcome: Outcome | None = None


class SimulatedDevice(SessionDriver):
    """Driver of one client session, and its user."""

    def __init__(self, simulation: DeviceSimulation, name: str) -> None:
        rng = random.Random(f"{simulation.seed}/device/{name}")
        super().__init__(ChatSession(rng, SessionOptions(retry_first_connect=True)))
        self.name = name
        self.user_id = name.removesuffix(".2")
        self.screen = Screen(name, simulation.judge, simulation.trace)
        self.posted: list[PostedMessage] = []
        self.wants_connection = False
        self.choice: PresenceChoice = "online"
        self.frozen_until = 0.0
        self.connection: DeviceConnection | None = None
        self._simulation = simulation
        self._trace = simulation.trace
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, Callable[[Outcome], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_at = 0.0
        self._connect_timer: asyncio.TimerHandle | None = None
        self._connections = 0

    # The user

    def connect(self) -> None:
        """Connect, and reconnect until `disconnect`."""
        if self.session.connection.phase is ConnectionPhase.IDLE:
            self.wants_connection = True
            self._ask(self.session.start)

    def disconnect(self) -> None:
        """Disconnect; open messages fail."""
        if self.wants_connection:
            self.wants_connection = False
            self.apply(self.session.stop(self._loop.time()))

    def join(self, conversation_id: str) -> None:
        """Join a conversation, also after each reconnect."""
        if self.wants_connection:
            self.screen.join(conversation_id)
            self._ask(
                lambda request, now: self.session.join(request, conversation_id, None, None, now),
                partial(self._join_ended, conversation_id),
            )

    def leave(self, conversation_id: str) -> None:
        """Leave a conversation."""
        if conversation_id in self.screen.conversations:
            self.screen.leave(conversation_id)
            self.apply(self.session.leave(conversation_id, self._loop.time()))

    def send(self, conversation_id: str, content: str) -> None:
        """Post a message."""
        if not self.wants_connection or conversation_id not in self.screen.conversations:
            return
        posted = PostedMessage(conversation_id, content)
        self.posted.append(posted)
        client_id = f"{self.name}-{len(self.posted)}"

        def end(outcome: Outcome) -> None:
            posted.outcome = outcome
            self._trace.add("{}: {} {}", self.name, content, _describe(outcome))

        self._ask(lambda request, now: self.session.post(request, conversation_id, content, client_id, now), end)

    def type(self, conversation_id: str, *, is_typing: bool) -> None:
        """Type, or stop typing."""
        if conversation_id in self.screen.conversations:
            self.apply(self.session.typing(conversation_id, self._loop.time(), is_typing=is_typing))

    def read(self, conversation_id: str, share: float) -> None:
        """Mark the last shown message as read, or an older one: the share of the shown messages."""
        shown = self.screen.conversations.get(conversation_id)
        if shown is not None and shown.last_seq:
            seq = max(1, round(shown.last_seq * share))
            self._call("mark_read", MarkRead(conversation_id=conversation_id, seq=seq), repeat=True)

    def choose_presence(self, choice: PresenceChoice) -> None:
        """Choose a presence, which each new connection repeats."""
        if self.wants_connection:
            self.choice = choice
            self._call("set_presence", SetPresence(status=choice), repeat=True)

    def subscribe_inbox(self) -> None:
        """Subscribe to the inbox."""
        if self.wants_connection:
            self._call("subscribe_inbox", SubscribeInbox(), repeat=True)

    def change(self, verb: str, conversation_id: str) -> None:
        """Claim, release, resolve or reopen a conversation, in the version on the screen."""
        shown = self.screen.conversations.get(conversation_id)
        if shown is not None and shown.conversation is not None:
            payload = ChangeConversation(conversation_id=conversation_id, version=shown.conversation.version)
            self._call(f"{verb}_conversation", payload, repeat=False)

    # The connection

    def accepted(self, raw_json: str) -> None:
        """Handle the reply to CONNECT."""
        self.session.connection.pid = read_pid(raw_json)

    def opened(self, user: Authenticated) -> None:
        """Handle the authenticated connection."""
        self._trace.add("{} is connected", self.name)
        self.apply(self.session.connection_opened(user, self._loop.time()))

    def received(self, name: str, payload: object) -> None:
        """Handle an event."""
        self.apply(self.session.event(name, payload, self._loop.time()))

    def acked(self, command_id: int, reply: Ok | Refused) -> None:
        """Handle a reply."""
        self.apply(self.session.ack(command_id, reply, self._loop.time()))

    def ended(self, end: effects.ConnectionEnd) -> None:
        """Handle the end of a connection."""
        self._trace.add("{} is disconnected: {}", self.name, end.reason)
        self.connection = None
        self.screen.disconnected()
        self.apply(self.session.connection_ended(end, self._loop.time()))

    # Effects

    def apply(self, todo: list[effects.Effect]) -> None:
        """Perform effects in order, then set the timer."""
        for effect in todo:
            self._perform(effect)
        self._set_timer()

    def _emit(self, command_id: int, name: str, payload: Wire | str) -> None:
        if self.connection is not None:
            self.connection.send(name, payload, command_id)

    def _deliver(self, name: str, payload: object) -> None:
        self.screen.show(name, payload)

    def _record_sent(self, request_id: int) -> None:
        pass

    def _resolve(self, request_id: int, outcome: Outcome) -> None:
        if (end := self._waiting.pop(request_id, None)) is not None:
            end(outcome)

    def _connect_after(self, delay_s: float) -> None:
        self._connect_timer = self._loop.call_later(delay_s, self._connect)

    def _drop(self, reason: str) -> None:
        if self.connection is not None:
            self.connection.drop(reason, graceful=reason == USER_REASON)
        elif self._connect_timer is not None:
            self._connect_timer.cancel()
            self._loop.call_soon(self.ended, effects.ConnectionEnd(reason))

    def _start_renewal(self) -> None:
        """Do nothing: no token expires during a simulation."""

    # Internals

    def _connect(self) -> None:
        self._connect_timer = None
        if self.session.connection.phase is ConnectionPhase.CONNECTING:
            self._connections += 1
            self.connection = self._simulation.connect(self, self._connections)

    def _ask(
        self,
        request: Callable[[int, float], list[effects.Effect]],
        end: Callable[[Outcome], None] | None = None,
    ) -> None:
        request_id = self._last_request_id + 1
        if end is not None:
            self._waiting[request_id] = end
        _, todo = self._make_request(request, self._loop.time())
        self.apply(todo)

    def _call(self, name: str, payload: Wire, *, repeat: bool) -> None:
        self._trace.add("{} calls {} {}", self.name, name, _fields(payload))
        self._ask(lambda request, now: self.session.call(request, name, payload, now, repeat=repeat))

    def _join_ended(self, conversation_id: str, outcome: Outcome) -> None:
        if isinstance(outcome, ClientError):
            self._trace.add("{} cannot join {}: {}", self.name, conversation_id, outcome)
            if self.wants_connection:
                self.screen.leave(conversation_id)

    def _set_timer(self) -> None:
        due_at = self.session.next_deadline()
        if self._timer is not None:
            if due_at == self._timer_due_at:
                return
            self._timer.cancel()
            self._timer = None
        if due_at is not None:
            self._timer_due_at = due_at
            self._timer = self._loop.call_at(due_at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.apply(self.session.tick(self._loop.time()))


def _describe(outcome: Outcome) -> str:
    return f"failed: {outcome}" if isinstance(outcome, ClientError) else "is acked"


def _fields(payload: Wire) -> str:
    return ", ".join(f"{name}={getattr(payload, name)}" for name in payload.__struct_fields__)
