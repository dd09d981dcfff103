"""Scenarios of the load test: the workload of each, its steps, and the metrics that it measures."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import msgspec

from chatws.client.core.connection import STABLE_AFTER_S
from chatws_loadtest.capacity import find_capacity
from chatws_loadtest.capacity_search import first_users
from chatws_loadtest.credentials import divide_users
from chatws_loadtest.fault_scenario import inject_faults
from chatws_loadtest.ipc import CutConnections, SetRate, Workload
from chatws_loadtest.ramp import ramp
from chatws_loadtest.run_request import RunOptions
from chatws_loadtest.scenario_run import ScenarioRun
from chatws_loadtest.stages import run_stages
from chatws_loadtest.thresholds import DELIVERY_METRICS, INDICATOR_METRICS, INDICATORS

RECONNECT_TIMEOUT_S: Final = 30.0
"""Time to wait for every user to reconnect; the scenario then continues without the missing ones."""

UNDISTURBED_S: Final = 3.0
"""Time without disturbance before the first and after the last one."""

RECOVERY_S: Final = STABLE_AFTER_S + 1.0
"""Time between two disturbances: a client whose connection lasted less waits longer before it reconnects."""

DURATION_S: Final = 30.0
SOAK_DURATION_S: Final = 1800.0
SPIKE_FACTOR: Final = 5
FANOUT_MEMBERS: Final = 50
FANOUT_SENDERS: Final = 2
VISIT_S: Final = 6.0

_CONNECT: Final = frozenset({"connect", "transport", "namespace", "authenticated", "upgrade", "joined"})
_DELIVERY: Final = frozenset(DELIVERY_METRICS)
_LATENCIES: Final = frozenset({"message", "ack", *INDICATORS})
_INDICATORS: Final = frozenset(INDICATOR_METRICS) - {"presence_stuck"}
_MESSAGES: Final = _CONNECT | _LATENCIES | {"connections", "errors", "sent"} | _DELIVERY | _INDICATORS

_DEFAULT_WORKLOAD: Final = Workload()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Entry of `SCENARIOS`."""

    name: str
    summary: str
    metrics: frozenset[str]
    """Metrics that the scenario measures."""
    run_steps: Callable[[ScenarioRun], Coroutine[None, None, None]]
    """Coroutine function that runs the scenario, from the first message to the end of the measurement."""
    room_size: int = 2
    workload: Workload = _DEFAULT_WORKLOAD
    """Behaviour of the users; the rate is that of the command line."""
    start_users: Callable[[int], int] | None = None
    """Number of users, of all, that connect before the first message; None: all."""
    uses_proxy: bool = False
    """Users connect through a proxy that injects network faults."""
    sizes: tuple[int, ...] = ()
    """Number of members of each room; empty: the users are divided among rooms of `room_size`."""

    def room_sizes(self, users: int) -> list[int]:
        """Return the number of members of each room; an odd user may be left out."""
        return list(self.sizes) or divide_users(users, self.room_size)

    def with_profile(self, options: RunOptions) -> Scenario:
        """Return the scenario with the habits, rooms and stages of the profile, if there is one."""
        profile = options.profile
        if profile is None:
            return self
        own = self.workload
        workload = msgspec.structs.replace(profile.workload, visit_s=own.visit_s, senders=own.senders)
        scenario = replace(self, workload=workload, room_size=profile.room_size)
        stages = profile.scale_stages(options.users, options.rate)
        if not stages:
            return scenario
        return replace(scenario, run_steps=partial(run_stages, stages=stages), start_users=lambda _: stages[0].users)


async def _steady(run: ScenarioRun) -> None:
    await run.start_sending(run.options.warmup_s)
    await run.timeline.hold(run.options.duration_s or DURATION_S)


async def _soak(run: ScenarioRun) -> None:
    await run.start_sending(run.options.warmup_s)
    duration_s = run.options.duration_s or SOAK_DURATION_S
    await run.timeline.hold(duration_s / 4)
    before = run.server_rss_bytes
    await run.timeline.hold(duration_s * 3 / 4)
    if before is not None and run.server_rss_bytes is not None:
        after = run.server_rss_bytes
        run.findings.append(
            f"the server's memory went from {before / 1e6:.1f} MB after a quarter of the time to {after / 1e6:.1f} MB"
        )


async def _spike(run: ScenarioRun) -> None:
    rate, third_s = run.options.rate, (run.options.duration_s or DURATION_S) / 3
    await run.start_sending(run.options.warmup_s)
    await run.timeline.hold(third_s)
    run.timeline.mark(f"{SPIKE_FACTOR} times the rate")
    run.load.pool.send(SetRate(rate * SPIKE_FACTOR))
    await run.timeline.hold(third_s)
    run.timeline.mark("the usual rate")
    run.load.pool.send(SetRate(rate))
    await run.timeline.hold(third_s)


async def _reconnect(run: ScenarioRun) -> None:
    await run.start_sending(UNDISTURBED_S)
    if run.server is None:
        run.findings.append("the server is not bundled and was not killed; only the connections were cut")
    else:
        killed_s = run.timeline.mark("server killed")
        await run.server.kill()
        await run.server.start()
        listening_s = run.timeline.mark("server listening again")
        await _measure_reconnects(run, killed_s, listening_s)
        await run.timeline.hold(RECOVERY_S)
    cut_s = run.timeline.mark("all connections cut")
    run.load.pool.send(CutConnections())
    await _measure_reconnects(run, cut_s, cut_s)
    await run.timeline.hold(UNDISTURBED_S)


async def _measure_reconnects(run: ScenarioRun, broken_s: float, open_s: float) -> None:
    """Wait until every user has reconnected, and record the time that each phase took."""
    stats, timeline = run.stats, run.timeline
    earlier = len(stats.outages)
    expected = earlier + timeline.users
    timeline.phase = "waiting for every user to reconnect"
    if not await timeline.wait_for(lambda: len(stats.outages) >= expected, RECONNECT_TIMEOUT_S):
        missing = expected - len(stats.outages)
        run.findings.append(f"{missing} users had not reconnected after {RECONNECT_TIMEOUT_S:.0f} s")
        stats.latency("reconnect").record([round(RECONNECT_TIMEOUT_S * 1e6)] * missing)
    for outage in stats.outages[earlier:]:
        stats.latency("detect").record([_us(outage.ended_s - broken_s)])
        stats.latency("reconnect").record([_us(outage.rejoined_s - open_s)])
        stats.latency("backoff").record([_us(outage.began_s - open_s)])
        stats.latency("rejoin").record([_us(outage.rejoined_s - outage.began_s)])
        stats.latency("catchup").record([_us(outage.caught_up_s - outage.rejoined_s)])
    timeline.phase = "measuring"


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))


SCENARIOS: Final = {
    row.name: row
    for row in (
        Scenario("steady", "users send messages at a fixed rate", _MESSAGES, _steady),
        Scenario(
            "reconnect",
            "the server is killed and restarted, then every connection is cut at once",
            frozenset({"reconnect", "backoff", "rejoin", "detect", "catchup"}) | _DELIVERY,
            _reconnect,
        ),
        Scenario("ramp", "the rate rises in steps until a threshold is missed", _MESSAGES - {"connections"}, ramp),
        Scenario(
            "capacity",
            "users are added in steps until a threshold is missed",
            _CONNECT | {"message", "ack", "typing", "sent", "capacity"} | _DELIVERY,
            find_capacity,
            start_users=first_users,
        ),
        Scenario("spike", f"{SPIKE_FACTOR} times the rate for a third of the time", _MESSAGES, _spike),
        Scenario("soak", "steady for half an hour, with the growth of the server's memory", _MESSAGES, _soak),
        Scenario(
            "fanout",
            f"rooms of {FANOUT_MEMBERS} users, of which {FANOUT_SENDERS} send",
            _MESSAGES,
            _steady,
            room_size=FANOUT_MEMBERS,
            workload=Workload(senders=FANOUT_SENDERS),
        ),
        Scenario(
            "faults",
            "faults of the network, injected by a proxy, and of the server",
            _DELIVERY,
            inject_faults,
            uses_proxy=True,
        ),
        Scenario(
            "churn",
            "users connect, send messages for some seconds and leave",
            _MESSAGES - {"connections"} | {"presence_stuck"},
            _steady,
            workload=Workload(visit_s=VISIT_S),
        ),
    )
}
"""Every scenario by its name, in the order of ``--help``."""

DEFAULT_SCENARIOS: Final = ("steady", "reconnect")
