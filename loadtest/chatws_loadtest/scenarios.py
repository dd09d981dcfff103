"""The scenarios: what is done to a server, and which targets it is judged by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from chatws_loadtest.arena import Arena
from chatws_loadtest.orders import Cut, Habits
from chatws_loadtest.results import ScenarioResult
from chatws_loadtest.targets import FAULTS, Target

RETURN_TIMEOUT_S: Final = 30.0
"""How long a scenario waits for everybody to come back before it goes on without them."""

LULL_S: Final = 3.0
"""Undisturbed talk around each disturbance."""

_DELIVERY: Final = frozenset(FAULTS)
_TALK: Final = frozenset({"connect", "message", "ack", "typing", "connections", "errors", "sent"}) | _DELIVERY

Play = Callable[[Arena, Sequence[Target]], Awaitable[ScenarioResult]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table; ``feeds`` names the metrics that it measures."""

    name: str
    summary: str
    feeds: frozenset[str]
    play: Play


async def _steady(arena: Arena, targets: Sequence[Target]) -> ScenarioResult:
    options = arena.options
    await arena.open(Habits(rate=options.rate))
    await arena.talk(options.warmup_s)
    await asyncio.sleep(options.duration_s)
    return await arena.conclude(targets, SCENARIOS["steady"].feeds)


async def _reconnect(arena: Arena, targets: Sequence[Target]) -> ScenarioResult:
    await arena.open(Habits(rate=arena.options.rate))
    await arena.talk(LULL_S)
    if arena.subject is None:
        arena.findings.append("the server is not ours to kill; only the connections were cut")
    else:
        killed_s = arena.mark("server killed")
        await arena.subject.kill()
        await arena.subject.start()
        listening_s = arena.mark("server listening again")
        await _wait_for_all(arena, killed_s, listening_s)
    cut_s = arena.mark("all connections cut")
    arena.crew.order(Cut())
    await _wait_for_all(arena, cut_s, cut_s)
    return await arena.conclude(targets, SCENARIOS["reconnect"].feeds)


async def _wait_for_all(arena: Arena, broken_s: float, open_s: float) -> None:
    """Wait until everybody is back, book how long it took, and let them talk for a while."""
    recorder = arena.recorder
    already = len(recorder.outages)
    everybody = already + arena.users
    arena.phase = "waiting for everybody to come back"
    if not await arena.until(lambda: len(recorder.outages) >= everybody, RETURN_TIMEOUT_S):
        missing = everybody - len(recorder.outages)
        arena.findings.append(f"{missing} users had not come back after {RETURN_TIMEOUT_S:.0f} s")
        recorder.latency("reconnect").record([round(RETURN_TIMEOUT_S * 1e6)] * missing)
    for outage in recorder.outages[already:]:
        recorder.latency("detect").record([_us(outage.ended_s - broken_s)])
        recorder.latency("reconnect").record([_us(outage.rejoined_s - open_s)])
        recorder.latency("catchup").record([_us(outage.caught_up_s - outage.rejoined_s)])
    arena.phase = "measuring"
    await asyncio.sleep(LULL_S)


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))


SCENARIOS: Final = {
    row.name: row
    for row in (
        Scenario("steady", "everybody talks at a fixed rate", _TALK, _steady),
        Scenario(
            "reconnect",
            "the server is killed and started again, then every connection is cut at once",
            frozenset({"reconnect", "detect", "catchup"}) | _DELIVERY,
            _reconnect,
        ),
    )
}
"""Every scenario by its name, in the order that help lists them."""

DEFAULT_SCENARIOS: Final = ("steady", "reconnect")
