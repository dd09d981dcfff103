"""Load of idle customers and of pairs, a customer and an agent each, that exchange messages on an open schedule."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import msgspec

from benchmarks.common.client import BenchmarkConnection, connect
from benchmarks.common.opening import LoadFailed, open_all
from benchmarks.common.schedule import Pacer, clock_s
from chatws.protocol.commands import SendMessage
from chatws.protocol.entities import Message
from chatws.protocol.responses import JoinAck
from chatws.server.auth.keys import KeyRing
from chatws_loadtest.credentials import CustomerCredentials, mint_tokens
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.server_process import HOST

SETTLE_TIMEOUT_S: Final = 10.0
SETTLE_POLL_S: Final = 0.1

MEMBERS: Final = 2
"""Members of each conversation: the customer has index 0, the agent index 1."""


@dataclass(frozen=True, slots=True)
class PairLoad:
    """Size of the load. ``rate`` is messages per second in each conversation, sent alternately by both members."""

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
    """The fields of an ack that the ledger records."""

    success: bool
    seq: int = 0
    error: AckError = AckError()


_decode_join = msgspec.json.Decoder(JoinAck).decode
_decode_ack = msgspec.json.Decoder(Ack).decode
_decode_message = msgspec.json.Decoder(Message).decode


class Pair:
    """One conversation with the connections of its two members; the ledger records its messages."""

    def __init__(self, index: int, conversation_id: str, ledger: Ledger, content_chars: int) -> None:
        self._index = index
        self._conversation_id = conversation_id
        self._ledger = ledger
        self._content_chars = content_chars
        self.members: list[BenchmarkConnection] = []
        ledger.open_room(index, MEMBERS)

    async def join(self, logins: Iterable[tuple[int, dict[str, str]]]) -> None:
        """Connect the customer, then the agent, and join the conversation.

        Args:
            logins: port and credentials of each member.

        Raises:
            LoadFailed: the server refused a join.
        """
        for member, (port, auth) in enumerate(logins):
            connection = await connect(HOST, port, auth, self._event_handler(member))
            self.members.append(connection)
            reply = await connection.request("join_conversation", self._conversation_id)
            if not _decode_ack(reply).success:
                raise LoadFailed(f"join_conversation: {bytes(reply)!r}")
            self._ledger.enter(self._index, member, _decode_join(reply).conversation.head_seq, clock_s())

    def send(self, sender: int, scheduled_s: float) -> None:
        """Send the next message of one member; its latency counts from ``scheduled_s``."""
        number = self._ledger.send(self._index, sender, scheduled_s, clock_s())
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

    def _event_handler(self, member: int) -> Callable[[str, msgspec.Raw], None]:
        def on_event(name: str, raw: msgspec.Raw) -> None:
            if name == "message_received":
                message = _decode_message(raw)
                sender, number, _ = message.content.split(" ", 2)
                self._ledger.receive(
                    self._index, member, sender=int(sender), number=int(number), seq=message.seq, now_s=clock_s()
                )

        return on_event


async def open_idle(ports: Sequence[int], sessions: Sequence[CustomerCredentials]) -> list[BenchmarkConnection]:
    """Connect customers that only answer heartbeats, evenly to the servers on these ports."""
    next_port = cycle(ports)

    async def open_one(session: CustomerCredentials) -> BenchmarkConnection:
        return await connect(HOST, next(next_port), {"sessionId": session.session_id}, lambda _name, _raw: None)

    return await open_all(open_one, sessions)


async def open_pairs(
    load: PairLoad,
    keys: KeyRing,
    ports: Sequence[tuple[int, int]],
    sessions: Sequence[CustomerCredentials],
    ledger: Ledger,
) -> list[Pair]:
    """Connect both members of every conversation.

    The conversations are divided evenly among the agents; an agent has one connection for each of its conversations.

    Args:
        load: number of agents, and length of the messages.
        keys: key that the agents' tokens are signed with.
        ports: the customer's and the agent's port, used by the conversations in turn.
        sessions: one customer for each conversation.
        ledger: record of all messages.
    """
    tokens = mint_tokens(keys, [f"bench-agent-{number}" for number in range(load.agents)])
    pairs = [
        Pair(number, session.conversation_id, ledger, load.content_chars) for number, session in enumerate(sessions)
    ]

    async def join(number: int) -> None:
        customer_port, agent_port = ports[number % len(ports)]
        customer = {"sessionId": sessions[number].session_id}
        agent = {"token": tokens[number % load.agents]}
        await pairs[number].join(((customer_port, customer), (agent_port, agent)))

    await open_all(join, range(len(pairs)))
    return pairs


async def send_messages(load: PairLoad, pairs: list[Pair], start_s: float) -> None:
    """Send every message of the run at its scheduled time; late ones are sent at once."""
    pacer = Pacer()
    for scheduled_s, pair, sender in _schedule(load, pairs, start_s):
        await pacer.wait_until(scheduled_s)
        pair.send(sender, scheduled_s)


async def settle(ledger: Ledger) -> None:
    """Wait up to 10 s for pending acks and deliveries; the ledger counts what arrives later as missing."""
    deadline_s = clock_s() + SETTLE_TIMEOUT_S
    while not ledger.is_settled and clock_s() < deadline_s:  # noqa: ASYNC110 - the ledger has no event to wait for
        await asyncio.sleep(SETTLE_POLL_S)


def _schedule(load: PairLoad, pairs: list[Pair], start_s: float) -> Iterator[tuple[float, Pair, int]]:
    """Yield time, pair and sender of every message in order of time.

    Each conversation has the same fixed interval and a random phase.
    """
    rng = random.Random(load.seed)
    phases = sorted((rng.random(), index) for index in range(len(pairs)))
    for interval in range(int((load.warmup_s + load.duration_s) * load.rate)):
        for phase, index in phases:
            yield start_s + (interval + phase) / load.rate, pairs[index], (interval + index) % MEMBERS
