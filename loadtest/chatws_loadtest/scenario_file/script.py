"""Script of a scenario file: its people and its steps, validated, with the position of each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chatws_loadtest.scenario_file.errors import Position
from chatws_loadtest.scenario_file.grammar import (
    ConnectStep,
    ExpectNothingStep,
    ExpectStep,
    JoinStep,
    KillStep,
    LoadSection,
    PersonStep,
)
from chatws_loadtest.scenario_file.patterns import EventPattern


@dataclass(frozen=True, slots=True)
class PersonSpec:
    """Person of the script; the members of a group are one each."""

    name: str
    is_agent: bool


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """Step with its position; ``people`` is empty for steps of the server and for ``wait``."""

    number: int
    at: Position
    text: str
    """As written in the file, on one line."""
    people: Sequence[str]
    body: PersonStep | KillStep | float
    """A number is the seconds of ``wait``."""
    patterns: Sequence[EventPattern] = ()
    """Of ``expect``: in order; of ``expect: nothing``: the events that count."""

    @property
    def is_expectation(self) -> bool:
        """Whether the step only looks at events."""
        return isinstance(self.body, ExpectStep | ExpectNothingStep)


@dataclass(frozen=True, slots=True)
class Script:
    """Content of a scenario file."""

    people: Mapping[str, PersonSpec]
    groups: Mapping[str, Sequence[str]]
    """Names of the members of each group."""
    steps: Sequence[ScriptStep]
    load: LoadSection
    """Section ``load``; empty if it is missing."""

    @property
    def customers(self) -> list[str]:
        """Names of the customers in the order of the file."""
        return [person.name for person in self.people.values() if not person.is_agent]

    def members(self, name: str) -> Sequence[str]:
        """Return the names of a group's members, or the name itself."""
        return self.groups.get(name, (name,))

    def first_step(self, name: str) -> PersonStep | None:
        """Return the first step of a person, which decides whether it starts connected and joined."""
        for step in self.steps:
            if name in step.people and not isinstance(step.body, KillStep | float):
                return step.body
        return None

    def starts_connected(self, name: str) -> bool:
        """Return whether a person connects before the first step."""
        return not isinstance(self.first_step(name), ConnectStep)

    def starts_joined(self, name: str) -> bool:
        """Return whether a person joins its conversation before the first step."""
        return not isinstance(self.first_step(name), ConnectStep | JoinStep)

    @property
    def kills_server(self) -> ScriptStep | None:
        """First step that kills the server."""
        return next((step for step in self.steps if isinstance(step.body, KillStep)), None)
