"""Runner of simulations: one event loop for each run, with repeatable ids and random numbers."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec

from chatws.protocol.ids import seed_ids
from chatws.server.auth import tokens
from chatws.server.auth.keys import KeyRing, load_keys
from chatws.settings import Settings
from chatws_loadtest.simulate.cast import user_of
from chatws_loadtest.simulate.clock import START_MS
from chatws_loadtest.simulate.invariants import BrokenInvariant, Judge
from chatws_loadtest.simulate.plan import SimulationPlan
from chatws_loadtest.simulate.server import SimulatedServer, make_settings
from chatws_loadtest.simulate.simulation import ClusterSimulation
from chatws_loadtest.simulate.trace import SimulationTrace
from chatws_loadtest.simulate.virtual_loop import VirtualLoop, current_process


class RunResult(msgspec.Struct, frozen=True):
    """Outcome of one run."""

    broken: BrokenInvariant | None
    trace: SimulationTrace
    messages: int
    """Stored messages."""
    virtual_s: float


def run_plan(plan: SimulationPlan) -> RunResult:
    """Run a plan; the same plan gives the same trace in every process."""
    seed_ids(plan.seed)
    state = random.getstate()
    random.seed(plan.seed)  # the product draws some delays from the module's generator
    was_enabled = gc.isenabled()
    gc.disable()  # a collection would run destructors at times that differ from run to run
    loop = VirtualLoop()
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(_run(plan))
    finally:
        random.setstate(state)
        if was_enabled:
            gc.enable()  # collects the garbage of the run in time


async def _run(plan: SimulationPlan) -> RunResult:
    simulation = ClusterSimulation(plan, _make_process, token_of)
    with _errors_recorded(simulation.judge):
        try:
            broken = await simulation.run()
        finally:
            simulation.servers.stop()
    return RunResult(broken, simulation.trace, simulation.stored.message_count, simulation.loop.time())


def _make_process(simulation: ClusterSimulation, name: str, number: int) -> SimulatedServer:
    return SimulatedServer(simulation, _settings(), name, number)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="chatws-simulate-")


@cache
def _settings() -> Settings:
    return make_settings(Path(_folder().name))


@cache
def _keys() -> KeyRing:
    return load_keys(_settings(), create=False)


@cache
def token_of(agent: str) -> str:
    """Return the token of an agent, which is valid in every simulation."""
    user = user_of(agent)
    return tokens.mint(
        _keys(), _settings(), subject=user.user_id, name=user.user_name, ttl_s=86_000, now_s=START_MS / 1000
    )


class _ErrorRecorder(logging.Handler):
    """Handler that records errors in the log of the simulated parts as a broken invariant."""

    def __init__(self, judge: Judge) -> None:
        super().__init__(logging.ERROR)
        self._judge = judge

    def emit(self, record: logging.LogRecord) -> None:
        """Record an error, unless the process was killed."""
        process = current_process()
        if process is None or not process.is_dead:
            problem = record.exc_info[1] if record.exc_info else None
            self._judge.record(BrokenInvariant("no-exception", f"{record.getMessage()}: {problem!r}"))


@contextmanager
def _errors_recorded(judge: Judge) -> Iterator[None]:
    log, recorder = logging.getLogger("chatws"), _ErrorRecorder(judge)
    level, propagates = log.level, log.propagate
    log.addHandler(recorder)
    log.setLevel(logging.ERROR)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(recorder)
        log.setLevel(level)
        log.propagate = propagates
