"""Decisions of the rules: which packet gets which fault, repeatable by a seed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from chatws.wire.engineio import EnginePacketType
from chatws.wire.errors import WireError
from chatws.wire.socketio import SocketPacketType, decode, split_event
from chatws_loadtest.tap.fault_rules import FaultRule

MAX_ACKS: Final = 1000
MAX_SESSIONS: Final = 20_000
BROKEN_END: Final = "~"
"""Character that replaces the last one of a corrupt packet: its JSON is invalid then."""


class Fault(NamedTuple):
    """Rule that applies to a packet, and the name of its event."""

    rule: FaultRule
    event: str


class Ruling(NamedTuple):
    """Event of a packet, or event that it acks, and the fault that it gets."""

    subject: tuple[str, bool] | None
    fault: Fault | None


_NO_SUBJECT: Final = Ruling(None, None)


class InjectionState:
    """Random numbers and open acks of one connection.

    Each connection and each rule has random numbers of its own, so that the order of the connections' packets, which
    differs from run to run, does not matter.
    """

    def __init__(self, rules: Sequence[FaultRule], seed: int, number: int) -> None:
        self._rules = [(rule, Random(f"{seed}/{number}/{index}")) for index, rule in enumerate(rules)]
        # Names of the events that wait for an ack, by the sender of the ack.
        self._acks: dict[bool, OrderedDict[tuple[str, int], str]] = {True: OrderedDict(), False: OrderedDict()}

    def decide(self, text: str, *, from_client: bool) -> Ruling:
        """Return the fault of a message of Engine.IO; binary packets get none."""
        found = self._read(text, from_client=from_client)
        if found is None:
            return _NO_SUBJECT
        event, is_ack = found
        for rule, rng in self._rules:
            if rule.matches(event, is_ack=is_ack, from_client=from_client) and rng.random() < rule.share:
                return Ruling(found, Fault(rule, event))
        return Ruling(found, None)

    def _read(self, text: str, *, from_client: bool) -> tuple[str, bool] | None:
        """Return the name of an event, or of the event that an ack belongs to."""
        if text[:1] != EnginePacketType.MESSAGE:
            return None
        try:
            packet = decode(text, at=1)
            if packet.type is SocketPacketType.EVENT:
                event, _ = split_event(packet.raw_json)
            elif packet.type is SocketPacketType.ACK and packet.ack_id is not None:
                event = self._acks[from_client].pop((packet.namespace, packet.ack_id), "")
                return event, True
            else:
                return None
        except WireError:
            return None
        if packet.ack_id is not None:
            waiting = self._acks[not from_client]
            waiting[packet.namespace, packet.ack_id] = event
            if len(waiting) > MAX_ACKS:
                waiting.popitem(last=False)
        return event, False


class RuleInjector:
    """Rules of a tap, and the state of its connections."""

    def __init__(self, rules: Sequence[FaultRule], seed: int) -> None:
        self._rules = rules
        self._seed = seed
        self._count = 0
        self._sessions: OrderedDict[str, InjectionState] = OrderedDict()

    def state(self, sid: str) -> InjectionState:
        """Return the state of a session; without a session id, a new one."""
        known = self._sessions.get(sid)
        if known is not None:
            return known
        self._count += 1
        state = InjectionState(self._rules, self._seed, self._count)
        if sid:
            self._sessions[sid] = state
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return state


def corrupt(text: str) -> str:
    """Return a packet whose JSON is invalid."""
    return text[:-1] + BROKEN_END
