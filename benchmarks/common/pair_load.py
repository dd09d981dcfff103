"""The load of the raw benchmark: idle customers, and pairs that talk on an open schedule."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import msgspec

from benchmarks.common.client import BenchmarkConnection, connect
from chatws.protocol.commands import SendMessage
from chatws.protocol.entities import Message
from chatws.protocol.responses import JoinAck
from chatws.server.auth.keys import KeyRing
from chatws_loadtest.credentials import CustomerCredentials, mint_tokens
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.server_process import HOST

OPENING_AT_ONCE = 20
"""Handshakes in flight: enough to keep the server busy, few enough that its queue is not what is measured."""

LATE_SENDS_PER_TURN = 50
"""A generator that is behind still reads between this many sends."""

SETTLE_TIMEOUT_S = 10.0

MEMBERS = 2
"""A conversation of the load has a customer (0) and an agent (1)."""

clock_s = time.perf_counter


class LoadFailed(Exception):
    """The load could not be built up; nothing was measured."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is put on the server. ``rate`` is messages per second in each conversation, both members in turn."""

    idle: int
    conversations: int
    rate: float
    warmup_s: float
    duration_s: float
    agents: int
    content_chars: int
    seed: int


class AckError(msgspec.Struct, frozen=True):
    code: str = "none"


class Ack(msgspec.Struct, frozen=True):
    """The part of an ack that is booked."""

    success: bool
    seq: int = 0
    error: AckError = AckError()


_decode_join = msgspec.json.Decoder(JoinAck).decode
_decode_ack = msgspec.json.Decoder(Ack).decode
_decode_message = msgspec.json.Decoder(Message).decode


class Pair:
    """One conversation: its customer, its agent, and what they say."""

    def __init__(self, index: int, conversation_id: str, ledger: Ledger, content_chars: int) -> None:
        self._index = index
        self._conversation_id = conversation_id
        self._ledger = ledger
        self._content_chars = content_chars
        self.members: list[BenchmarkConnection] = []
        ledger.open_room(index, MEMBERS)

    async def join(self, seats: Iterable[tuple[int, dict[str, str]]]) -> None:
        """Connect the customer, then the agent, each at a port with credentials, and enter the conversation.

        Raises:
            LoadFailed: the server refused one of them.
        """
        for member, (port, auth) in enumerate(seats):
            connection = await connect(HOST, port, auth, self._listener(member))
            self.members.append(connection)
            answer = await connection.request("join_conversation", self._conversation_id)
            if not _decode_ack(answer).success:
                raise LoadFailed(f"join_conversation: {bytes(answer)!r}")
            self._ledger.enter(self._index, member, _decode_join(answer).conversation.head_seq, clock_s())

    def say(self, sender: int, intended_s: float) -> None:
        """Send the next message of one member; its latency counts from ``intended_s``."""
        number = self._ledger.send(self._index, sender, intended_s, clock_s())
        content = f"{sender} {number} ".ljust(self._content_chars, ".")
        message = SendMessage(
            conversation_id=self._conversation_id, content=content, client_message_id=f"bench-{number}"
        )
        self.members[sender].emit("send_message", message, lambda raw: self._on_ack(number, raw))

    def _on_ack(self, number: int, raw: msgspec.Raw) -> None:
        ack = _decode_ack(raw)
        if ack.success:
            self._ledger.ack(number, ack.seq, clock_s())
        else:
            self._ledger.refuse(number, ack.error.code)

    def _listener(self, member: int) -> Callable[[str, msgspec.Raw], None]:
        def on_event(name: str, raw: msgspec.Raw) -> None:
            if name == "message_received":
                message = _decode_message(raw)
                sender, number, _ = message.content.split(" ", 2)
                self._ledger.receive(
                    self._index, member, sender=int(sender), number=int(number), seq=message.seq, now_s=clock_s()
                )

        return on_event


async def open_idle(ports: Sequence[int], sessions: Sequence[CustomerCredentials]) -> list[BenchmarkConnection]:
    """Connect customers, at the ports in turn, who then only answer heartbeats."""
    connections: list[BenchmarkConnection] = []
    turns = cycle(ports)

    async def open_one(session: CustomerCredentials) -> None:
        credentials = {"sessionId": session.session_id}
        connections.append(await connect(HOST, next(turns), credentials, lambda _name, _raw: None))

    await _few_at_once(open_one, sessions)
    return connections


async def open_pairs(
    load: Load,
    keys: KeyRing,
    places: Sequence[tuple[int, int]],
    sessions: Sequence[CustomerCredentials],
    ledger: Ledger,
) -> list[Pair]:
    """Connect both members of every conversation; the agents share the work evenly, a connection per conversation.

    The conversations take the places, each a customer's port and an agent's, in turn.
    """
    tokens = mint_tokens(keys, [f"bench-agent-{number}" for number in range(load.agents)])
    pairs: list[Pair] = []

    async def open_one(session: CustomerCredentials) -> None:
        number = len(pairs)
        pair = Pair(number, session.conversation_id, ledger, load.content_chars)
        pairs.append(pair)
        customer_port, agent_port = places[number % len(places)]
        agent = {"token": tokens[number % load.agents]}
        await pair.join(((customer_port, {"sessionId": session.session_id}), (agent_port, agent)))

    await _few_at_once(open_one, sessions)
    return pairs


async def talk(load: Load, pairs: list[Pair], start_s: float) -> None:
    """Send every message of the run at its time, whatever the server does; late ones go out at once."""
    late = 0
    for intended_s, pair, sender in _schedule(load, pairs, start_s):
        wait_s = intended_s - clock_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
            late = 0
        else:
            late += 1
            if late % LATE_SENDS_PER_TURN == 0:
                await asyncio.sleep(0)
        pair.say(sender, intended_s)


async def settle(ledger: Ledger) -> None:
    """Give what is on its way the time to arrive; what has not come by then is booked as missing."""
    deadline_s = clock_s() + SETTLE_TIMEOUT_S
    while not ledger.is_settled and clock_s() < deadline_s:  # noqa: ASYNC110 - the ledger knows no event loop
        await asyncio.sleep(0.1)


def _schedule(load: Load, pairs: list[Pair], start_s: float) -> Iterator[tuple[float, Pair, int]]:
    """Give each conversation a fixed beat with a random phase, all beats merged in order of time."""
    dice = random.Random(load.seed)
    phases = sorted((dice.random(), index) for index in range(len(pairs)))
    for beat in range(int((load.warmup_s + load.duration_s) * load.rate)):
        for phase, index in phases:
            yield start_s + (beat + phase) / load.rate, pairs[index], (beat + index) % MEMBERS


async def _few_at_once(
    open_one: Callable[[CustomerCredentials], Awaitable[None]], sessions: Iterable[CustomerCredentials]
) -> None:
    gate = asyncio.Semaphore(OPENING_AT_ONCE)

    async def pass_gate(session: CustomerCredentials) -> None:
        async with gate:
            await open_one(session)

    try:
        async with asyncio.TaskGroup() as group:
            for session in sessions:
                group.create_task(pass_gate(session))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
