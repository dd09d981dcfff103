"""Plan of a simulation: people, servers, and everything that happens to them, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from chatws.protocol.entities import PresenceChoice
from chatws_loadtest.scenario_file.errors import InvalidNode
from chatws_loadtest.scenario_file.validation import convert
from chatws_loadtest.scenario_file.yaml_tree import read_tree
from chatws_loadtest.simulate.cast import AGENTS, CUSTOMERS

MAX_MS = 600_000
MAX_STEPS = 1_000
MAX_SERVERS = 5

Milliseconds = Annotated[int, Meta(ge=0, le=MAX_MS)]

Action = Literal[
    "connect",
    "disconnect",
    "join",
    "leave",
    "send",
    "type",
    "stop_typing",
    "read",
    "presence",
    "inbox",
    "claim",
    "release",
    "resolve",
    "reopen",
]
"""Steps of a device; the names are those of scenario files, where they have the step."""

Fault = Literal[
    "cut",
    "half_open",
    "freeze",
    "lose_ack",
    "kill",
    "crash",
    "drain",
    "store_slow",
    "store_down",
    "lose_commit",
    "bus_down",
    "bus_partition",
    "bus_loss",
    "bus_delay",
    "bus_repeat",
    "bus_reorder",
]
"""Injected faults."""

ACTIONS: frozenset[str] = frozenset(get_args(Action))
FAULTS: frozenset[str] = frozenset(get_args(Fault))
SERVER_FAULTS: frozenset[str] = frozenset({"kill", "crash", "drain", "bus_partition"})
DEVICE_FAULTS: frozenset[str] = frozenset({"cut", "half_open", "freeze", "lose_ack"})
SHARED_FAULTS: frozenset[str] = FAULTS - SERVER_FAULTS - DEVICE_FAULTS
CONVERSATION_ACTIONS: frozenset[str] = ACTIONS - {"connect", "disconnect", "presence", "inbox"}


class PlannedStep(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Action of a device or injected fault, at a virtual time."""

    at_ms: Milliseconds
    do: Action | Fault
    who: str = ""
    """Device, such as ``cleo`` or ``cleo.2``; server, such as ``s1``; empty for the store and the whole bus."""
    conversation: str = ""
    """Customer whose conversation it is."""
    text: str = ""
    """Content of a message, which is unique in the plan."""
    status: PresenceChoice | None = None
    for_ms: Milliseconds = 0
    """Duration of a fault; time until a killed or drained server is started again."""
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of the notifications that a fault of the bus concerns, or of the shown messages that are marked as read."""

    @property
    def is_fault(self) -> bool:
        return self.do in FAULTS


class SimulationPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that determines a run: the same plan gives the same trace."""

    seed: int
    """Seed of the latencies and of the clients' backoff."""
    servers: Annotated[int, Meta(ge=1, le=MAX_SERVERS)]
    devices: tuple[str, ...]
    steps: Annotated[tuple[PlannedStep, ...], Meta(max_length=MAX_STEPS)]
    breaks: str = ""
    """Invariant that the run broke when the plan was written."""


class PlanError(Exception):
    """File that contains no plan."""


def write_plan(plan: SimulationPlan) -> str:
    """Return a plan as YAML."""
    return msgspec.yaml.encode(plan).decode()


def read_plan(file: Path) -> SimulationPlan:
    """Read a plan.

    Raises:
        PlanError: the file cannot be read or is no plan.
    """
    try:
        return check_plan(convert(read_tree(file.read_bytes()), SimulationPlan, "plan"))
    except OSError as problem:
        raise PlanError(f"{file}: {problem.strerror}") from problem
    except InvalidNode as problem:
        raise PlanError(f"{file}:{problem.at.line}:{problem.at.column}: {problem.reason}") from problem
    except PlanError as problem:
        raise PlanError(f"{file}: {problem}") from problem


def check_plan(plan: SimulationPlan) -> SimulationPlan:
    """Return the plan if its names exist, and its texts are unique.

    Raises:
        PlanError: a step names a device, a server or a conversation that the plan does not have, or repeats a text.
    """
    servers = {f"s{number}" for number in range(1, plan.servers + 1)}
    people = {*AGENTS, *CUSTOMERS}
    texts: set[str] = set()
    for device in plan.devices:
        if device.removesuffix(".2") not in people:
            raise PlanError(f"there is no device {device!r}")
    for number, step in enumerate(plan.steps, start=1):
        known = servers if step.do in SERVER_FAULTS else {""} if step.do in SHARED_FAULTS else {*plan.devices}
        if step.who not in known:
            raise PlanError(f"step {number}: {step.do} does not take who: {step.who!r}")
        if step.do in CONVERSATION_ACTIONS and step.conversation not in CUSTOMERS:
            raise PlanError(f"step {number}: there is no customer {step.conversation!r}")
        if step.text in texts:
            raise PlanError(f"step {number}: the text {step.text!r} occurs twice")
        if step.text:
            texts.add(step.text)
    return plan
