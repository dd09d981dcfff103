"""One round: clients chat while the faults of a seed happen; afterwards every message is accounted for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

from benchmarks.faults.account import SentMessage, ShownConversation, find_violations
from benchmarks.faults.clients import FaultClients, FaultMember
from benchmarks.faults.environment import FaultEnvironment
from benchmarks.faults.injector import FaultInjector
from benchmarks.faults.schedule import make_schedule
from chatws.client import SendHandle

_STALL_TIMEOUT_S: Final = 40.0
"""Longest time without progress after the last fault: above the backoff of a client and the timeout of a request."""

_SHOW_TIMEOUT_S: Final = 30.0
_PRESENCE_TIMEOUT_S: Final = 20.0
"""Longest time that users of a crashed server may appear online (contract)."""

_POLL_S: Final = 0.05
_MAX_LOG_LINES: Final = 3


class FaultPlan(msgspec.Struct, frozen=True):
    """Size of a round."""

    duration_s: float = 15.0
    """Time in which all faults begin and end."""
    conversations: int = 8


class FaultRound(msgspec.Struct, frozen=True):
    """Result of a round."""

    seed: int
    faults: list[str]
    sent: int
    reconnects: int
    copies: int
    """Repeated messages that clients dropped, after a reconnect."""
    settled_s: float
    """Time from the end of the last fault until every message was acked and shown."""
    presence_s: float
    """Time from then until every member saw the right presence of the others."""
    violations: list[str]

    def __str__(self) -> str:
        verdict = "FAILED" if self.violations else "passed"
        return (
            f"seed {self.seed:>3}: {verdict}, {len(self.faults)} faults, {self.sent} messages, "
            f"{self.reconnects} reconnects, {self.copies} copies, settled after {self.settled_s:.1f} s, "
            f"presence right after {self.presence_s:.1f} s"
        )


async def run_round(environment: FaultEnvironment, seed: int, plan: FaultPlan) -> FaultRound:
    """Run the round of a seed; the environment is free of faults before and afterwards."""
    schedule = make_schedule(seed, plan.duration_s)
    logged = _count_log_lines(environment)
    clients = FaultClients(environment, seed, plan.conversations, plan.duration_s)
    injector = FaultInjector(environment)
    try:
        await clients.connect()
        clients.start()
        await injector.run(schedule)
        began = time.monotonic()
        await clients.finish(_STALL_TIMEOUT_S)
        violations = await _account(environment, clients.members)
        settled_s = time.monotonic() - began
        await _wait_until(lambda: not _wrong_presence(clients.members), _PRESENCE_TIMEOUT_S)
        presence_s = time.monotonic() - began - settled_s
        violations += _wrong_presence(clients.members)
        stats = [member.client.stats() for member in clients.members]
    finally:
        await clients.close()
    violations += [f"client filled {one.gaps_filled} gaps: servers deliver by seq" for one in stats if one.gaps_filled]
    violations += clients.failures + injector.failures
    violations += [f"{server.url} has ended" for server in environment.servers if not server.is_running]
    violations += _logged_errors(environment, logged)
    return FaultRound(
        seed=seed,
        faults=[str(fault) for fault in schedule],
        sent=sum(one.sent for one in stats),
        reconnects=sum(one.reconnects for one in stats),
        copies=sum(one.duplicates_dropped for one in stats),
        settled_s=settled_s,
        presence_s=presence_s,
        violations=violations,
    )


async def _account(environment: FaultEnvironment, members: list[FaultMember]) -> list[str]:
    """Wait until the members were shown all stored messages, and account for all of them."""
    conversation_ids = list({member.conversation_id for member in members})
    stored = await environment.stored(conversation_ids)
    await _wait_until(
        lambda: all(one.has_left or len(one.shown) >= len(stored[one.conversation_id]) for one in members),
        _SHOW_TIMEOUT_S,
    )
    stored = await environment.stored(conversation_ids)
    shown = [ShownConversation(_name(one), one.conversation_id, one.has_left, one.shown) for one in members]
    violations = find_violations([_outcome(handle) for one in members for handle in one.sent], stored, shown)
    return violations + [f"never joined: {_name(one)}" for one in members if not one.has_joined]


def _outcome(handle: SendHandle) -> SentMessage:
    if not handle.done.done():
        return SentMessage(handle.conversation_id, handle.content, None)
    if (error := handle.done.exception()) is not None:
        return SentMessage(handle.conversation_id, handle.content, None, repr(error))
    return SentMessage(handle.conversation_id, handle.content, handle.done.result().seq)


def _wrong_presence(members: list[FaultMember]) -> list[str]:
    """Describe each wrong last status that a member has received of another one of its conversation."""
    return [
        f"presence: {_name(observer)} received {_name(other)} {observer.presence.get(other.user_id)}"
        for observer in members
        for other in members
        if observer.conversation_id == other.conversation_id
        and observer is not other
        and not observer.has_left
        and observer.presence.get(other.user_id) != ("offline" if other.has_left else "online")
    ]


def _name(member: FaultMember) -> str:
    user = member.client.user
    return f"{'?' if user is None else user.user_id} ({member.client.state}) in {member.conversation_id}"


def _count_log_lines(environment: FaultEnvironment) -> int:
    return len(environment.log_path.read_text().splitlines())


def _logged_errors(environment: FaultEnvironment, since: int) -> list[str]:
    """Return the first errors in the servers' log: they are defects, whatever fails around a server."""
    lines = environment.log_path.read_text().splitlines()[since:]
    return [f"logged: {line}" for line in lines if " error " in line or line.startswith("Traceback")][:_MAX_LOG_LINES]


async def _wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Return when the condition holds, or the time is up."""
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110 - nothing announces the condition
        await asyncio.sleep(_POLL_S)
