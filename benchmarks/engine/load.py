"""Loads of rooms with one sender each: on an open schedule, or with a fixed number of messages in flight."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, cycle, islice
from typing import Final

import msgspec

from benchmarks.common.opening import LoadFailed, open_all
from benchmarks.common.schedule import Pacer, clock_s
from benchmarks.engine.counters import DeliveryCounters
from benchmarks.engine.credentials import agent_tokens
from benchmarks.engine.fast_client import FastConnection, open_fast_connection
from benchmarks.engine.implementations import RunningServer, ServerImplementation
from chatws_loadtest.credentials import CustomerCredentials

SETTLE_TIMEOUT_S: Final = 10.0
SETTLE_POLL_S: Final = 0.05
CONTENT_CHARS: Final = 80

_ack_decoder = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class BenchmarkRoom:
    """A conversation; its first member, the customer, sends all messages."""

    conversation_id: str
    members: list[FastConnection]

    def send(self, counters: DeliveryCounters, scheduled_s: float) -> None:
        """Send the next message."""
        number = counters.send(scheduled_s, len(self.members))
        self.members[0].send_message(number, self.conversation_id, CONTENT_CHARS)


async def open_idle(
    server: RunningServer, customers: Iterable[CustomerCredentials], counters: DeliveryCounters
) -> list[FastConnection]:
    """Connect customers that only answer heartbeats."""

    async def open_one(customer: CustomerCredentials) -> FastConnection:
        return await open_fast_connection(server.port, {"sessionId": customer.session_id}, counters)

    return await open_all(open_one, customers)


async def open_rooms(
    implementation: ServerImplementation,
    server: RunningServer,
    customers: Iterable[CustomerCredentials],
    members: int,
    counters: DeliveryCounters,
    *,
    is_recovered: bool = False,
) -> list[BenchmarkRoom]:
    """Connect a customer and ``members - 1`` agents to each conversation, with connection state recovery if asked.

    Raises:
        LoadFailed: the server refused a join.
    """
    tokens = agent_tokens(implementation, server)
    agent_numbers = count()

    async def open_one(customer: CustomerCredentials) -> BenchmarkRoom:
        agents = [tokens[number % len(tokens)] for number in islice(agent_numbers, members - 1)]
        logins = [{"sessionId": customer.session_id}, *({"token": token} for token in agents)]
        connections = [
            await open_fast_connection(server.port, login, counters, is_recovered=is_recovered) for login in logins
        ]
        for connection in connections:
            await _join(connection, customer.conversation_id)
        connections[0].is_sender = True
        return BenchmarkRoom(customer.conversation_id, connections)

    return await open_all(open_one, customers)


async def pace(rooms: list[BenchmarkRoom], counters: DeliveryCounters, per_s: float, duration_s: float) -> None:
    """Send ``per_s`` messages per second at their scheduled times; late ones are sent at once."""
    start_s, pacer = clock_s(), Pacer()
    for number in range(int(per_s * duration_s)):
        scheduled_s = start_s + number / per_s
        await pacer.wait_until(scheduled_s)
        rooms[number % len(rooms)].send(counters, scheduled_s)


async def saturate(
    rooms: list[BenchmarkRoom],
    counters: DeliveryCounters,
    in_flight: int,
    duration_s: float,
    max_messages: float = math.inf,
) -> None:
    """Keep this many messages in flight, sent by the rooms in turn, until the time or the messages are used up."""
    next_room = cycle(rooms)
    last_acked = counters.acked + max_messages
    is_done = asyncio.Event()

    def send_next() -> None:
        if counters.acked < last_acked:
            next(next_room).send(counters, clock_s())
        else:
            is_done.set()

    counters.on_ack = send_next
    for _ in range(in_flight):
        send_next()
    with suppress(TimeoutError):
        await asyncio.wait_for(is_done.wait(), duration_s)
    counters.on_ack = _do_nothing


async def settle(counters: DeliveryCounters) -> None:
    """Wait up to 10 s for pending acks and deliveries; those that arrive later count as missing."""
    deadline_s = clock_s() + SETTLE_TIMEOUT_S
    while not counters.is_settled() and clock_s() < deadline_s:  # noqa: ASYNC110 - the counters have no event to wait for
        await asyncio.sleep(SETTLE_POLL_S)


async def close_all(connections: Iterable[FastConnection]) -> int:
    """Close the connections, wait until they have ended, and return the number of those that had ended before."""
    closing = list(connections)
    dropped = sum(connection.ended.done() for connection in closing)
    for connection in closing:
        connection.close()
    await asyncio.gather(*(connection.ended for connection in closing))
    return dropped


async def _join(connection: FastConnection, conversation_id: str) -> None:
    reply = await connection.request("join_conversation", conversation_id)
    if _ack_decoder.decode(reply).get("success") is not True:
        raise LoadFailed(f"join_conversation: {bytes(reply)!r}")


def _do_nothing() -> None:
    return None
