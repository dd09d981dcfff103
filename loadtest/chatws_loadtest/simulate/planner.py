"""Planner that draws a plan from a seed: people, what they do, and the faults."""

from __future__ import annotations

import itertools
import random
from typing import Final

import msgspec

from chatws.protocol.entities import PresenceChoice
from chatws_loadtest.simulate.cast import AGENTS, CUSTOMERS
from chatws_loadtest.simulate.plan import PlannedStep, SimulationPlan

ACTIONS_FROM: Final = 28
ACTIONS_TO: Final = 42
FAULTS_FROM: Final = 3
FAULTS_TO: Final = 9
LENGTH_MS: Final = (5_000, 14_000)

_VERBS: Final = {
    "send": 40,
    "type": 9,
    "stop_typing": 3,
    "read": 12,
    "claim": 5,
    "release": 3,
    "resolve": 3,
    "reopen": 2,
    "join": 5,
    "leave": 3,
    "presence": 4,
    "inbox": 2,
    "disconnect": 2,
    "connect": 4,
}
_AGENT_VERBS: Final = frozenset({"claim", "release", "resolve", "reopen", "inbox"})
_FAULTS: Final = {
    "cut": 18,
    "half_open": 2,
    "freeze": 5,
    "lose_ack": 12,
    "kill": 10,
    "crash": 3,
    "drain": 4,
    "store_slow": 5,
    "store_down": 5,
    "lose_commit": 8,
    "bus_down": 4,
    "bus_partition": 4,
    "bus_loss": 8,
    "bus_delay": 4,
    "bus_repeat": 4,
    "bus_reorder": 4,
}
_SINGLE_SERVER_FAULTS: Final = [name for name in _FAULTS if not name.startswith("bus_")]
_CHOICES: Final[tuple[PresenceChoice, ...]] = ("online", "away", "busy")


class Planner:
    """Draws one plan."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = random.Random(seed)
        self._servers = self._rng.choice((1, 2, 2, 2, 3))
        self._agents = AGENTS[: self._rng.choice((1, 2))]
        self._customers = CUSTOMERS[: self._rng.choice((1, 1, 2, 3))]
        self._devices = [*self._agents, *self._customers]
        self._devices += [f"{name}.2" for name in [*self._agents, *self._customers] if self._rng.random() < 0.2]  # noqa: PLR2004  a share
        self._steps: list[PlannedStep] = []

    def draw(self) -> SimulationPlan:
        """Return the plan."""
        rng = self._rng
        for device in self._devices:
            self._arrive(device)
        length_ms = rng.randint(*LENGTH_MS)
        for _ in range(rng.randint(ACTIONS_FROM, ACTIONS_TO)):
            self._act(rng.randint(300, length_ms))
        for _ in range(rng.randint(FAULTS_FROM, FAULTS_TO)):
            self._break(rng.randint(300, length_ms))
        self._steps.sort(key=lambda step: step.at_ms)
        numbers = itertools.count(1)
        steps = [
            msgspec.structs.replace(step, text=f"m{next(numbers)}") if step.do == "send" else step
            for step in self._steps
        ]
        return SimulationPlan(seed=self._seed, servers=self._servers, devices=tuple(self._devices), steps=tuple(steps))

    def _arrive(self, device: str) -> None:
        """Connect a device and join its conversations; some arrive later."""
        rng = self._rng
        at_ms = rng.randint(0, 400) if rng.random() < 0.85 else rng.randint(400, 5_000)  # noqa: PLR2004  a share
        self._add(at_ms, "connect", device)
        for customer in self._visible_to(device):
            if customer in device or rng.random() < 0.8:  # noqa: PLR2004  a share
                self._add(at_ms + rng.randint(1, 200), "join", device, conversation=customer)
        if self._is_agent(device) and rng.random() < 0.5:  # noqa: PLR2004  a share
            self._add(at_ms + rng.randint(1, 200), "inbox", device)

    def _act(self, at_ms: int) -> None:
        rng = self._rng
        device = rng.choice(self._devices)
        verb = rng.choices(list(_VERBS), list(_VERBS.values()))[0]
        if verb in _AGENT_VERBS and not self._is_agent(device):
            verb = "send"
        customer = rng.choice(self._visible_to(device))
        if verb == "send":
            self._add(at_ms, verb, device, conversation=customer)
        elif verb == "read":
            self._add(at_ms, verb, device, conversation=customer, share=rng.choice((1.0, 1.0, 0.5)))
        elif verb == "presence":
            self._add(at_ms, verb, device, status=rng.choice(_CHOICES))
        elif verb in {"connect", "disconnect", "inbox"}:
            self._add(at_ms, verb, device)
        else:
            self._add(at_ms, verb, device, conversation=customer)

    def _break(self, at_ms: int) -> None:
        rng = self._rng
        names = list(_FAULTS) if self._servers > 1 else _SINGLE_SERVER_FAULTS
        fault = rng.choices(names, [_FAULTS[name] for name in names])[0]
        match fault:
            case "cut" | "half_open" | "lose_ack":
                self._add(at_ms, fault, rng.choice(self._devices))
            case "freeze":
                self._add(at_ms, fault, rng.choice(self._devices), for_ms=rng.randint(100, 12_000))
            case "kill" | "crash" | "drain":
                self._add(at_ms, fault, self._server(), for_ms=rng.randint(100, 6_000))
            case "bus_partition":
                self._add(at_ms, fault, self._server(), for_ms=rng.randint(500, 15_000))
            case "lose_commit":
                self._add(at_ms, fault, "")
            case "store_slow" | "store_down" | "bus_down":
                self._add(at_ms, fault, "", for_ms=rng.randint(200, 6_000))
            case _:
                share = rng.choice((0.2, 0.5, 1.0))
                self._add(at_ms, fault, "", for_ms=rng.randint(500, 8_000), share=share)

    def _add(
        self,
        at_ms: int,
        do: str,
        who: str,
        *,
        conversation: str = "",
        status: PresenceChoice | None = None,
        for_ms: int = 0,
        share: float = 1.0,
    ) -> None:
        self._steps.append(PlannedStep(at_ms, do, who, conversation, "", status, for_ms, share))  # type: ignore[arg-type]  # names of the tables above

    def _is_agent(self, device: str) -> bool:
        return device.removesuffix(".2") in AGENTS

    def _visible_to(self, device: str) -> tuple[str, ...]:
        return self._customers if self._is_agent(device) else (device.removesuffix(".2"),)

    def _server(self) -> str:
        return f"s{self._rng.randint(1, self._servers)}"


def draw_plan(seed: int) -> SimulationPlan:
    """Draw the plan of a seed."""
    return Planner(seed).draw()
