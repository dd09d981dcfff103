"""Servers of one run: their processes, kills and restarts, and their connections to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from chatws_loadtest.rng import UserRng
from chatws_loadtest.simulate.broker import Broker
from chatws_loadtest.simulate.plan import PlannedStep
from chatws_loadtest.simulate.server import SimulatedServer
from chatws_loadtest.simulate.trace import SimulationTrace

DETECTION_S: Final = 1.0
"""Longest time until a server notices that it has lost the broker."""

SUPERVISOR_S: Final = 1.0
"""Time after which a server that ended by itself is started again, unless its step names another time."""


class ServerGroup:
    """Servers by name; each has at most one running process."""

    def __init__(
        self, make_process: Callable[[str, int], SimulatedServer], broker: Broker, trace: SimulationTrace, seed: int
    ) -> None:
        self._make_process = make_process
        self._broker = broker
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._rng = UserRng(f"{seed}/servers")
        self._running: dict[str, SimulatedServer] = {}
        self._starts: dict[str, int] = {}
        self._restarts: dict[str, asyncio.TimerHandle] = {}
        self._bus_repair: asyncio.TimerHandle | None = None

    def start(self, name: str) -> None:
        """Start a process of a server."""
        self._restarts.pop(name, None)
        number = self._starts[name] = self._starts.get(name, 0) + 1
        self._trace.add("{} starts", name)
        process = self._running[name] = self._make_process(name, number)
        process.start(lambda: self._ended(name, process))

    def choose(self, rng: UserRng) -> SimulatedServer | None:
        """Return one of the servers that accept connections, as a load balancer does."""
        accepting = [process for process in self._running.values() if process.is_accepting]
        return accepting[int(rng.random() * len(accepting))] if accepting else None

    def do(self, step: PlannedStep) -> None:
        """Inject a fault of one server."""
        process = self._running.get(step.who)
        if process is None:
            return
        self._trace.add("fault: {} of {} for {} ms", step.do, step.who, step.for_ms)
        match step.do:
            case "kill" | "crash":
                del self._running[step.who]
                self._restart_later(step.who, step.for_ms / 1000)
                process.kill(is_silent=step.do == "crash")
            case "drain":
                self._restart_later(step.who, step.for_ms / 1000 + 1.0)
                process.stop()
            case _:
                process.bus.cut()
                self._loop.call_later(step.for_ms / 1000, process.bus.restore)

    def break_bus(self, for_s: float) -> None:
        """Stop the broker for a time."""
        self._broker.is_down = True
        for process in self._running.values():
            self._loop.call_later(DETECTION_S * self._rng.random(), self._cut, process)
        if self._bus_repair is not None:
            self._bus_repair.cancel()
        self._bus_repair = self._loop.call_later(for_s + DETECTION_S, self._repair_bus)

    def heal(self) -> None:
        """End all faults: start the servers that are down, and the broker."""
        for name, timer in list(self._restarts.items()):
            if name not in self._running:
                timer.cancel()
                self.start(name)
        self._repair_bus()

    def stop(self) -> None:
        """Kill all processes, at the end of the run."""
        for process in self._running.values():
            process.process.kill()

    def _cut(self, process: SimulatedServer) -> None:
        if self._broker.is_down:
            process.bus.cut()

    def _repair_bus(self) -> None:
        self._broker.is_down = False
        for process in self._running.values():
            process.bus.restore()

    def _restart_later(self, name: str, delay_s: float) -> None:
        if name not in self._restarts:
            self._restarts[name] = self._loop.call_later(delay_s, self._restart, name)

    def _restart(self, name: str) -> None:
        if name in self._running:  # it still drains
            self._restarts[name] = self._loop.call_later(0.5, self._restart, name)
        else:
            self.start(name)

    def _ended(self, name: str, process: SimulatedServer) -> None:
        if self._running.get(name) is process:
            self._trace.add("{} has stopped", name)
            del self._running[name]
            self._restart_later(name, SUPERVISOR_S)
