"""Rounds of clients that connect, chat, read the history and leave: compares the memory of the last and the third."""

from __future__ import annotations

import asyncio
from typing import Final

from benchmarks.common.client import BenchmarkConnection
from benchmarks.common.measurement import BoundedMeasurement
from benchmarks.soak.clients import connect_agents, for_all, join_all, request
from benchmarks.soak.page_caches import fill_page_caches
from benchmarks.soak.plan import SoakPlan
from benchmarks.soak.server_stats import ResourceCounts, SoakServer, started_server
from chatws.store.queries.head_cache import MAX_CACHED

_BASE_ROUND: Final = 3
"""The rounds until then fill caches and grow the process to the memory that so many clients need."""

_MESSAGES: Final = 3
_CLIENTS_PER_AGENT: Final = 10
_MAX_GROWTH_PERCENT: Final = 5.0
_MAX_BLOCKS_PER_CLIENT: Final = 0.5
"""One object that is kept for each client takes at least one block."""

_VARYING_BLOCKS: Final = 400
"""Blocks that are in use or not depending on the moment."""

_SETTINGS: Final[dict[str, int | str]] = {"assignee_offline_ms": 500}
"""The timer of an agent who has left would otherwise last for a minute."""

_BLOCKS_PER_CACHED_HEAD: Final = 4
"""A cached state of a conversation, its id and its numbers."""

_MIB: Final = 1024 * 1024


async def memory_rounds(plan: SoakPlan) -> list[BoundedMeasurement]:
    """Compare the memory after the last round with that after the third; every round has new users."""
    async with started_server(**_SETTINGS, **plan.settings) as server:
        await fill_page_caches(server, plan.cached_bytes)
        counts = [await _run_round(server, number, plan.round_clients) for number in range(1, plan.rounds + 1)]
    base, last = counts[_BASE_ROUND - 1], counts[-1]
    clients = (plan.rounds - _BASE_ROUND) * plan.round_clients
    title = f"{plan.rounds} rounds of {plan.round_clients} clients"
    return [
        BoundedMeasurement(f"{title}: RSS after round {_BASE_ROUND}", base.rss_bytes / _MIB, "MiB"),
        BoundedMeasurement("rounds: RSS after the last one", last.rss_bytes / _MIB, "MiB"),
        BoundedMeasurement(
            "rounds: growth of the RSS", (last.rss_bytes / base.rss_bytes - 1) * 100, "%", _MAX_GROWTH_PERCENT
        ),
        BoundedMeasurement(
            "rounds: memory blocks kept for each client",
            (last.memory_blocks - base.memory_blocks) / clients,
            "",
            _MAX_BLOCKS_PER_CLIENT + (_VARYING_BLOCKS + _BLOCKS_PER_CACHED_HEAD * _newly_cached(plan)) / clients,
        ),
        BoundedMeasurement("rounds: sessions, sockets and rooms retained", last.connection_objects, "", 0),
        BoundedMeasurement("rounds: tasks retained", last.tasks - base.tasks, "", 0),
    ]


def _newly_cached(plan: SoakPlan) -> int:
    """Return the number of conversations that the store's bounded cache gains after the round that is the base."""
    base, last = (min(rounds * plan.round_clients, MAX_CACHED) for rounds in (_BASE_ROUND, plan.rounds))
    return last - base


async def _run_round(server: SoakServer, number: int, clients: int) -> ResourceCounts:
    """Run one round and return the counts after it."""
    names = [f"round-{number}-{client}" for client in range(clients)]
    customers = await join_all(server, names)
    agents = await connect_agents(server, [f"agent-{number}-{agent}" for agent in range(clients // _CLIENTS_PER_AGENT)])
    await for_all(_visit, [(agent, f"conv-{name}") for agent, name in zip(agents, names, strict=False)])
    await for_all(_chat, [(customer, f"conv-{name}") for customer, name in zip(customers, names, strict=True)])
    await for_all(_leave, [(customer, f"conv-{name}") for customer, name in zip(customers, names, strict=True)])
    for connection in (*agents, *customers):
        connection.close()
    await asyncio.gather(*(connection.ended for connection in (*agents, *customers)))
    return await server.count_settled(include_timers=False)


async def _visit(agent: BenchmarkConnection, conversation_id: str) -> None:
    await request(agent, "join_conversation", conversation_id)
    await request(agent, "send_message", {"conversationId": conversation_id, "content": "How can I help?"})


async def _chat(customer: BenchmarkConnection, conversation_id: str) -> None:
    await request(customer, "typing_start", conversation_id)
    for number in range(_MESSAGES):
        content = f"message {number} " + "x" * 100
        await request(customer, "send_message", {"conversationId": conversation_id, "content": content})
    await request(customer, "history", {"conversationId": conversation_id})
    await request(customer, "mark_read", {"conversationId": conversation_id, "seq": _MESSAGES})


async def _leave(customer: BenchmarkConnection, conversation_id: str) -> None:
    await request(customer, "leave_conversation", conversation_id)
