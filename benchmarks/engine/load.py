"""Rooms whose one sender talks: on a fixed schedule, or as fast as the server answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import count, cycle, islice
from typing import TypeVar

import msgspec

from benchmarks.engine.counters import DeliveryCounters, clock_s
from benchmarks.engine.credentials import BenchmarkCustomer, agent_tokens
from benchmarks.engine.fast_client import FastConnection, open_lean
from benchmarks.engine.implementations import RunningServer, ServerImplementation

T = TypeVar("T")
R = TypeVar("R")

OPENING_AT_ONCE = 20
"""Handshakes in flight: enough to keep the server busy, few enough that its queue is not what is measured."""

LATE_SENDS_PER_TURN = 50
"""A generator that is behind still reads between this many sends."""

SETTLE_TIMEOUT_S = 10.0
CONTENT_CHARS = 80

_success = msgspec.json.Decoder(dict[str, object])


class EngineLoadFailed(Exception):
    """The load could not be built up; nothing was measured."""


@dataclass(frozen=True, slots=True)
class BenchmarkRoom:
    """A conversation; its first member, the customer, is the one who sends."""

    conversation_id: str
    members: list[FastConnection]

    def say(self, tally: DeliveryCounters, intended_s: float) -> None:
        """Send the customer's next message."""
        number = tally.send(intended_s, len(self.members))
        self.members[0].say(number, self.conversation_id, CONTENT_CHARS)


async def open_idle(
    server: RunningServer, customers: Iterable[BenchmarkCustomer], tally: DeliveryCounters
) -> list[FastConnection]:
    """Connect customers who then only answer heartbeats."""
    return await few_at_once(lambda one: open_lean(server.port, {"sessionId": one.session_id}, tally), customers)


async def open_rooms(
    contender: ServerImplementation,
    server: RunningServer,
    customers: Iterable[BenchmarkCustomer],
    members: int,
    tally: DeliveryCounters,
) -> list[BenchmarkRoom]:
    """Connect a customer and agents to each conversation.

    Raises:
        EngineLoadFailed: the server let one of them not in.
    """
    tokens = agent_tokens(contender, server)
    turns = count()

    async def open_one(customer: BenchmarkCustomer) -> BenchmarkRoom:
        chosen = [tokens[turn % len(tokens)] for turn in islice(turns, members - 1)]
        credentials = [{"sessionId": customer.session_id}, *({"token": token} for token in chosen)]
        connections = [await open_lean(server.port, one, tally) for one in credentials]
        for connection in connections:
            await _join(connection, customer.conversation_id)
        connections[0].is_sender = True
        return BenchmarkRoom(customer.conversation_id, connections)

    return await few_at_once(open_one, customers)


async def pace(rooms: list[BenchmarkRoom], tally: DeliveryCounters, per_s: float, duration_s: float) -> None:
    """Send every message at its time, whatever the server does; late ones go out at once."""
    start_s, late = clock_s(), 0
    for beat in range(int(per_s * duration_s)):
        intended_s = start_s + beat / per_s
        wait_s = intended_s - clock_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
            late = 0
        else:
            late += 1
            if late % LATE_SENDS_PER_TURN == 0:
                await asyncio.sleep(0)
        rooms[beat % len(rooms)].say(tally, intended_s)


async def saturate(rooms: list[BenchmarkRoom], tally: DeliveryCounters, in_flight: int, duration_s: float) -> None:
    """Keep so many messages unanswered, the rooms taking turns."""
    turns = cycle(rooms)

    def say_next() -> None:
        next(turns).say(tally, clock_s())

    tally.on_answer = say_next
    for _ in range(in_flight):
        say_next()
    await asyncio.sleep(duration_s)
    tally.on_answer = _nothing


async def settle(tally: DeliveryCounters) -> None:
    """Give what is on its way the time to arrive; what has not come by then is missing."""
    deadline_s = clock_s() + SETTLE_TIMEOUT_S
    while not tally.is_settled() and clock_s() < deadline_s:  # noqa: ASYNC110 - the tally knows no event loop
        await asyncio.sleep(0.05)


async def close_all(connections: Iterable[FastConnection]) -> int:
    """Close connections, wait until they are gone, and return how many had ended before."""
    mine = list(connections)
    dropped = sum(connection.ended.done() for connection in mine)
    for connection in mine:
        connection.close()
    await asyncio.gather(*(connection.ended for connection in mine))
    return dropped


async def few_at_once(open_one: Callable[[T], Awaitable[R]], wanted: Iterable[T]) -> list[R]:
    """Do it for all, so many at a time; the first failure ends it."""
    gate = asyncio.Semaphore(OPENING_AT_ONCE)

    async def pass_gate(one: T) -> R:
        async with gate:
            return await open_one(one)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pass_gate(one)) for one in wanted]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _join(connection: FastConnection, conversation_id: str) -> None:
    answer = await connection.request("join_conversation", conversation_id)
    if _success.decode(answer).get("success") is not True:
        raise EngineLoadFailed(f"join_conversation: {bytes(answer)!r}")


def _nothing() -> None:
    return None
