"""Runner of the situations: several clients at once, each with a server of its own and one situation after another."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.check.registry import CheckOutcome, CheckResult
from chatws_loadtest.client_check import (
    ack_situations,
    connection_situations,
    delivery_situations,
    pace_situations,
    room_situations,
)
from chatws_loadtest.client_check.checked_client import CheckedClient
from chatws_loadtest.client_check.errors import ClientNotReady
from chatws_loadtest.client_check.fault_server import FaultServer
from chatws_loadtest.client_check.registry import SITUATIONS, Situation
from chatws_loadtest.client_check.situation_context import START_S, SituationContext
from chatws_loadtest.text_summary import printable

MODULES = (ack_situations, delivery_situations, room_situations, connection_situations, pace_situations)
"""Their import registers the situations."""

GROUPS = ("connection", "room", "ack", "delivery", "pace", "login", "typing")
"""First parts of the names, in the order of the output."""

LIMIT_S = 60.0
"""Time limit of one situation, start of the client excluded."""


@dataclass(frozen=True, slots=True)
class ClientRunOptions:
    """Options of a run; a port is for a single client."""

    jobs: int = 1
    """Number of clients at once."""
    port: int = 0
    """Port of the server; 0: a free one."""
    start_s: float = START_S
    """Time from the start of a client to its first accepted message."""
    slack: float = 1.0
    """Factor of the time limits, for a slow client or a busy machine."""


def all_situations() -> list[Situation]:
    """Return every situation, sorted by group."""
    return sorted(SITUATIONS.values(), key=lambda row: GROUPS.index(row.name.partition(".")[0]))


async def run_situations(
    situations: Sequence[Situation],
    make_client: Callable[[], CheckedClient],
    on_result: Callable[[CheckResult], None],
    options: ClientRunOptions,
) -> list[CheckResult]:
    """Run the situations, pass each result to ``on_result`` at once, and return them in the order of the situations.

    Raises:
        ClientNotReady: the client does not work on a server without faults.
        OSError: the client cannot be started, or the port is taken.
    """
    waiting = deque(situations)
    # Not empty: the client has worked on a server without faults.
    results: dict[str, CheckResult] = {}

    async def work() -> None:
        client = make_client()
        async with FaultServer(options.port) as server:
            try:
                while waiting:
                    situation = waiting.popleft()
                    try:
                        result = await _run(situation, server, client, options)
                    except ClientNotReady as problem:
                        if not results:
                            raise
                        result = _result(situation, CheckOutcome.FAIL, f"before the fault: {problem}")
                    results[situation.name] = result
                    on_result(result)
            finally:
                await client.stop()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(options.jobs, len(waiting))):
                group.create_task(work())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [results[situation.name] for situation in situations]


async def _run(
    situation: Situation, server: FaultServer, client: CheckedClient, options: ClientRunOptions
) -> CheckResult:
    context = SituationContext(server, client, options.slack)
    await context.prepare(context.limit(options.start_s))
    begin_s = time.monotonic()
    outcome, reason = CheckOutcome.PASS, ""
    try:
        async with asyncio.timeout(context.limit(LIMIT_S)):
            await situation.run(context)
    except NotOffered as problem:
        outcome, reason = CheckOutcome.NOT_OFFERED, str(problem)
    except CheckFailed as problem:
        ended = f" (it has ended with {client.ending})" if client.ending else ""
        outcome, reason = CheckOutcome.FAIL, f"{problem}{ended}"
    except TimeoutError:
        outcome, reason = CheckOutcome.FAIL, f"the situation did not end within {context.limit(LIMIT_S):g} s"
    finally:
        server.heal()
    return _result(situation, outcome, reason, time.monotonic() - begin_s)


def _result(situation: Situation, outcome: CheckOutcome, reason: str, duration_s: float = 0.0) -> CheckResult:
    return CheckResult(
        name=situation.name,
        what=situation.what,
        in_guide=situation.in_guide,
        result=outcome,
        # It may quote what the client has sent.
        reason=printable(reason),
        advice=situation.advice if outcome is CheckOutcome.FAIL else "",
        duration_s=round(duration_s, 3),
    )
