"""One run of a simulation: all parts of it, the steps of its plan, and the quiet time at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from chatws_loadtest.rng import UserRng
from chatws_loadtest.simulate.broker import Broker
from chatws_loadtest.simulate.cast import AGENTS, session_of
from chatws_loadtest.simulate.clock import VirtualClock
from chatws_loadtest.simulate.database import shared_database
from chatws_loadtest.simulate.device import SimulatedDevice
from chatws_loadtest.simulate.device_connection import DeviceConnection
from chatws_loadtest.simulate.device_steps import do_with_device
from chatws_loadtest.simulate.final_check import FinalCheck
from chatws_loadtest.simulate.invariants import BrokenInvariant, Judge
from chatws_loadtest.simulate.output_check import FirstAcks, OutputCheck
from chatws_loadtest.simulate.plan import PlannedStep, SimulationPlan
from chatws_loadtest.simulate.server import SimulatedServer
from chatws_loadtest.simulate.server_group import ServerGroup
from chatws_loadtest.simulate.store import StoreFaults
from chatws_loadtest.simulate.stored_state import StoredState
from chatws_loadtest.simulate.trace import SimulationTrace
from chatws_loadtest.simulate.virtual_loop import NO_PROCESS, current_process

SETTLE_S: Final = 120.0
"""Longest quiet time: a half-open connection is noticed after 45 s, and its user is offline 5 s later."""

CHECK_S: Final = 1.0
CONFIRM_S: Final = 6.0
"""Interval of the checks in the quiet time, and the time for which the state has to stay after the first success."""


class ClusterSimulation:
    """All parts of one run; they find each other here."""

    def __init__(
        self,
        plan: SimulationPlan,
        start_process: Callable[[ClusterSimulation, str, int], SimulatedServer],
        token_of: Callable[[str], str],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.seed = plan.seed
        self.clock = VirtualClock(self.loop)
        self.trace = SimulationTrace(self.loop.time)
        self._ended: asyncio.Future[None] = self.loop.create_future()
        self.judge = Judge(self._stop)
        self.database = shared_database()
        self.database.reset()
        self.store_faults = StoreFaults()
        self.stored = StoredState(self.database.raw, self.judge, self.trace)
        self.broker = Broker(self.loop, plan.seed, self.trace)
        self.servers = ServerGroup(partial(start_process, self), self.broker, self.trace, plan.seed)
        self.devices = {name: SimulatedDevice(self, name) for name in plan.devices}
        self._plan = plan
        self._token_of = token_of
        self._first_acks = FirstAcks(self.judge)

    async def run(self) -> BrokenInvariant | None:
        """Carry out the plan; return the broken invariant."""
        self.loop.set_exception_handler(self._exception)
        for number in range(1, self._plan.servers + 1):
            self.servers.start(f"s{number}")
        steps = asyncio.create_task(self._run_steps())
        await asyncio.wait({steps, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if steps.done():
            steps.result()
        else:
            steps.cancel()
        return self.judge.broken

    def connect(self, device: SimulatedDevice, number: int) -> DeviceConnection:
        """Open the numbered connection of a device, to one of the servers that accept connections."""
        name = f"{self.seed}/network/{device.name}/{number}"
        output = OutputCheck(
            device.name,
            judge=self.judge,
            stored=self.stored,
            first_acks=self._first_acks,
            trace=self.trace,
            clock=self.loop.time,
            lost_ack=lambda: self._cut_soon(device),
        )
        credentials = (
            {"token": self._token_of(device.user_id)}
            if device.user_id in AGENTS
            else {"sessionId": session_of(device.user_id)}
        )
        auth = device.session.connection.connect_auth(credentials)
        connection = DeviceConnection(name, output, device, auth, device.frozen_until)
        server = self.servers.choose(UserRng(name))
        self.trace.add("{} connects to {}", device.name, "no server" if server is None else server.name)
        connection.open(server)
        return connection

    def _cut_soon(self, device: SimulatedDevice) -> None:
        connection = device.connection
        if connection is not None:
            self.loop.call_soon(connection.cut, context=NO_PROCESS)

    def _stop(self, broken: BrokenInvariant) -> None:
        self.trace.add("BROKEN {}: {}", broken.name, broken.details)
        if not self._ended.done():
            self._ended.set_result(None)

    async def _run_steps(self) -> None:
        for step in self._plan.steps:
            if (wait_s := step.at_ms / 1000 - self.loop.time()) > 0:
                await asyncio.sleep(wait_s)
            self._do(step)
        self._heal()
        await self._settle()
        self.stored.check_all()
        for device in self.devices.values():
            if device.connection is not None:
                device.connection.check_unanswered()

    async def _settle(self) -> None:
        """Wait until all devices agree, and check that they stay so."""
        check = FinalCheck(self.devices, self.stored)
        latest = self.loop.time() + SETTLE_S
        agreed_at: float | None = None
        last: BrokenInvariant | None = None
        while agreed_at is None or self.loop.time() - agreed_at < CONFIRM_S:
            if last is not None and self.loop.time() >= latest:
                self.judge.record(last)
                return
            await asyncio.sleep(CHECK_S)
            difference = check.first_difference()
            if difference is not None:
                agreed_at, last = None, difference
            elif agreed_at is None:
                agreed_at = self.loop.time()

    def _heal(self) -> None:
        self.trace.add("all faults end")
        self.store_faults.heal()
        self.broker.faults.heal()
        self.servers.heal()

    def _do(self, step: PlannedStep) -> None:
        if step.who in self.devices:
            do_with_device(self.devices[step.who], step, self.loop.time(), self.trace)
        elif step.who:
            self.servers.do(step)
        else:
            self._do_with_shared(step)

    def _do_with_shared(self, step: PlannedStep) -> None:
        faults, until = self.store_faults, self.loop.time() + step.for_ms / 1000
        self.trace.add("fault: {} for {} ms", step.do, step.for_ms)
        match step.do:
            case "store_slow":
                faults.slow_until, faults.extra_s = until, 1.5
            case "store_down":
                faults.down_until = until
            case "lose_commit":
                faults.lost_commits += 1
            case "bus_down":
                self.servers.break_bus(step.for_ms / 1000)
            case _:
                self.broker.faults.start(step.do, until, step.share)

    def _exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        process, problem = current_process(), context.get("exception")
        if problem is None or (process is not None and process.is_dead):
            return
        self.judge.record(BrokenInvariant("no-exception", f"{context.get('message')}: {problem!r}"))
