"""Report of a run of a scenario file: the result of each step."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from chatws_loadtest.verdict import Outcome


class StepOutcome(StrEnum):
    """Outcome of one step."""

    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"
    """Not judgeable: the server does not offer the step, or this program was delayed."""
    NOT_RUN = "not run"
    """An earlier step did not pass, or the run was stopped."""


class ArrivedEvent(msgspec.Struct, frozen=True):
    """Event that a person received, for the explanation of a failure."""

    name: str
    payload: object
    after_s: float
    """Seconds since the start of the run."""


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one step; the fields from ``reason`` on are empty unless it failed or is not judgeable."""

    number: int
    line: int
    column: int
    text: str
    """As written in the file, on one line."""
    outcome: StepOutcome
    started_s: float = 0.0
    """Seconds since the start of the run."""
    duration_s: float = 0.0
    reason: str = ""
    expected: str = ""
    person: str = ""
    """Person, or member of a group, for which it failed."""
    arrived: list[ArrivedEvent] = []
    """Last events of that person, oldest first."""


class PlayReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a run; the run ends at the first step that does not pass."""

    file: str
    url: str
    """Empty: the run was stopped, and its bundled server with it."""
    bundled_server: bool
    outcome: Outcome
    duration_s: float
    steps: list[StepResult]
    stopped: bool = False
    """The run was stopped before its end; its outcome is invalid, unless a step failed before."""

    @property
    def failed(self) -> StepResult | None:
        """Step that did not pass; None if all did."""
        return next((step for step in self.steps if step.outcome in {StepOutcome.FAIL, StepOutcome.INVALID}), None)
