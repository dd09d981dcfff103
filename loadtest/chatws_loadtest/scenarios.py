"""The scenarios: what is done to a server, and which targets it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final

from chatws.client.core.connection import STABLE_AFTER_S
from chatws_loadtest.fault_scenario import FEEDS as FAULT_FEEDS
from chatws_loadtest.fault_scenario import faults
from chatws_loadtest.ipc import Cut, Habits, SetRate
from chatws_loadtest.ramp import ramp
from chatws_loadtest.results import ScenarioResult
from chatws_loadtest.scenario_run import ScenarioRun
from chatws_loadtest.thresholds import FAULTS, Threshold

RETURN_TIMEOUT_S: Final = 30.0
"""How long a scenario waits for everybody to come back before it goes on without them."""

LULL_S: Final = 3.0
"""Undisturbed talk around each disturbance."""

RECOVERY_S: Final = STABLE_AFTER_S + 1.0
"""Talk between two disturbances: a client that lost a younger connection waits longer before it tries again."""

TALK_S: Final = 30.0
SOAK_S: Final = 1800.0
SPIKE_FACTOR: Final = 5
FANOUT_MEMBERS: Final = 50
FANOUT_TALKERS: Final = 2
VISIT_S: Final = 6.0

_DELIVERY: Final = frozenset(FAULTS)
_CONNECT: Final = frozenset({"connect", "transport", "namespace", "authenticated", "joined"})
_TALK: Final = _CONNECT | {"message", "ack", "typing", "connections", "errors", "sent"} | _DELIVERY

Play = Callable[[ScenarioRun, Sequence[Threshold]], Coroutine[None, None, ScenarioResult]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table; ``feeds`` names the metrics that it measures."""

    name: str
    summary: str
    feeds: frozenset[str]
    play: Play


async def _steady(arena: ScenarioRun, targets: Sequence[Threshold]) -> ScenarioResult:
    await arena.open(Habits(rate=arena.options.rate))
    await arena.talk(arena.options.warmup_s)
    await arena.stay(arena.options.duration_s or TALK_S)
    return await arena.conclude(targets, SCENARIOS["steady"].feeds)


async def _soak(arena: ScenarioRun, targets: Sequence[Threshold]) -> ScenarioResult:
    await arena.open(Habits(rate=arena.options.rate))
    await arena.talk(arena.options.warmup_s)
    duration_s = arena.options.duration_s or SOAK_S
    await arena.stay(duration_s / 4)
    before = arena.server_rss_bytes
    await arena.stay(duration_s * 3 / 4)
    if before is not None and arena.server_rss_bytes is not None:
        after = arena.server_rss_bytes
        arena.findings.append(
            f"the server's memory went from {before / 1e6:.1f} MB after a quarter of the time to {after / 1e6:.1f} MB"
        )
    return await arena.conclude(targets, SCENARIOS["soak"].feeds)


async def _spike(arena: ScenarioRun, targets: Sequence[Threshold]) -> ScenarioResult:
    rate, third_s = arena.options.rate, (arena.options.duration_s or TALK_S) / 3
    await arena.open(Habits(rate=rate))
    await arena.talk(arena.options.warmup_s)
    await arena.stay(third_s)
    arena.mark(f"{SPIKE_FACTOR} times the rate")
    arena.crew.order(SetRate(rate * SPIKE_FACTOR))
    await arena.stay(third_s)
    arena.mark("the usual rate")
    arena.crew.order(SetRate(rate))
    await arena.stay(third_s)
    return await arena.conclude(targets, SCENARIOS["spike"].feeds)


async def _fanout(arena: ScenarioRun, targets: Sequence[Threshold]) -> ScenarioResult:
    await arena.open(Habits(rate=arena.options.rate, talkers=FANOUT_TALKERS), members=FANOUT_MEMBERS)
    await arena.talk(arena.options.warmup_s)
    await arena.stay(arena.options.duration_s or TALK_S)
    return await arena.conclude(targets, SCENARIOS["fanout"].feeds)


async def _churn(arena: ScenarioRun, targets: Sequence[Threshold]) -> ScenarioResult:
    await arena.open(Habits(rate=arena.options.rate, visit_s=VISIT_S))
    await arena.talk(arena.options.warmup_s)
    await arena.stay(arena.options.duration_s or TALK_S)
    return await arena.conclude(targets, SCENARIOS["churn"].feeds)


async def _reconnect(arena: ScenarioRun, targets: Sequence[Threshold]) -> ScenarioResult:
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
        await arena.stay(RECOVERY_S)
    cut_s = arena.mark("all connections cut")
    arena.crew.order(Cut())
    await _wait_for_all(arena, cut_s, cut_s)
    await arena.stay(LULL_S)
    return await arena.conclude(targets, SCENARIOS["reconnect"].feeds)


async def _wait_for_all(arena: ScenarioRun, broken_s: float, open_s: float) -> None:
    """Wait until everybody is back, and book how long it took."""
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
        recorder.latency("backoff").record([_us(outage.began_s - open_s)])
        recorder.latency("rejoin").record([_us(outage.rejoined_s - outage.began_s)])
        recorder.latency("catchup").record([_us(outage.caught_up_s - outage.rejoined_s)])
    arena.phase = "measuring"


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))


SCENARIOS: Final = {
    row.name: row
    for row in (
        Scenario("steady", "everybody talks at a fixed rate", _TALK, _steady),
        Scenario(
            "reconnect",
            "the server is killed and started again, then every connection is cut at once",
            frozenset({"reconnect", "backoff", "rejoin", "detect", "catchup"}) | _DELIVERY,
            _reconnect,
        ),
        Scenario("ramp", "the rate rises in steps until a target breaks", _TALK - {"connections"}, ramp),
        Scenario("spike", f"{SPIKE_FACTOR} times the rate for a third of the time", _TALK, _spike),
        Scenario("soak", "steady for half an hour, and what that does to the server's memory", _TALK, _soak),
        Scenario("fanout", f"rooms of {FANOUT_MEMBERS}, in which {FANOUT_TALKERS} talk", _TALK, _fanout),
        Scenario("faults", "a network and a server that fail, through a proxy of ours", FAULT_FEEDS, faults),
        Scenario("churn", "everybody comes, talks for some seconds and leaves", _TALK - {"connections"}, _churn),
    )
}
"""Every scenario by its name, in the order that help lists them."""

DEFAULT_SCENARIOS: Final = ("steady", "reconnect")
