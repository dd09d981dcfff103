"""Search for the highest number of connections that a server carries: which step follows which result."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

FIRST_SHARE: Final = 1 / 8
"""Users of the first step, as a share of the most."""
GROWTH_STEPS: Final = 6
"""Steps from the first to the most users; each has √2 times as many users as the one before."""
REFINEMENTS: Final = 2
"""Steps between the most users that passed and the fewest that did not."""


class CapacityStepResult(StrEnum):
    """Result of one step."""

    PASSED = "pass"
    MISSED = "FAIL"
    """A threshold was missed."""
    REFUSED = "refused"
    """The thresholds were met, but the server did not keep every connection."""
    GENERATOR = "generator"
    """The generator was the limit."""
    UNDECIDED = "undecided"
    """There were too few samples for a verdict; the next step has more."""


class CapacityLimit(StrEnum):
    """Reason why there is no higher result."""

    THRESHOLD = "threshold"
    CONNECTIONS = "connections"
    """The server refused or closed connections."""
    GENERATOR = "generator"
    USERS = "users"
    """The most users that were permitted passed."""
    STOPPED = "stopped"


class CapacitySearch:
    """Geometric steps up to the first that does not pass, then bisection; it knows neither time nor network."""

    def __init__(self, most: int) -> None:
        self.passed = 0
        """Most connections that met the thresholds."""
        self.limit = CapacityLimit.USERS
        """Limit that was found so far."""
        self._most = most
        # Fewest users that did not pass; 0: all steps passed so far.
        self._missed = 0
        self._refinements = 0
        # Whether the last step failed because of the generator: it is repeated once, because other processes of the
        # generator's machine may have been the reason.
        self._is_repeat = False
        self.users: int | None = first_users(most)
        """Users of the next step; None at the end of the search."""

    def record(self, result: CapacityStepResult, connections: int) -> None:
        """Record the result of the step with `users`, of which ``connections`` were connected all the time."""
        assert self.users is not None
        if result is CapacityStepResult.GENERATOR and not self._is_repeat:
            self._is_repeat = True
            return
        self._is_repeat = False
        if self._missed:
            self._refinements += 1
        match result:
            case CapacityStepResult.PASSED:
                self.passed = max(self.passed, connections)
            case CapacityStepResult.REFUSED:
                self.passed, self.limit = max(self.passed, connections), CapacityLimit.CONNECTIONS
                self.users = None
                return
            case CapacityStepResult.MISSED | CapacityStepResult.GENERATOR:
                self._missed = self.users
                is_threshold = result is CapacityStepResult.MISSED
                self.limit = CapacityLimit.THRESHOLD if is_threshold else CapacityLimit.GENERATOR
        self.users = self._bisect() if self._missed else self._grow(self.users)

    def _grow(self, users: int) -> int | None:
        return next((size for size in _sizes(self._most) if size > users), None)

    def _bisect(self) -> int | None:
        middle = (self.passed + self._missed) // 4 * 2
        if self._refinements >= REFINEMENTS or not self.passed < middle < self._missed:
            return None
        return middle


def first_users(most: int) -> int:
    """Return the number of users of the first step."""
    return _sizes(most)[0]


def _sizes(most: int) -> list[int]:
    """Return the steps' numbers of users, in pairs."""
    most -= most % 2
    growth = FIRST_SHARE ** (-1 / GROWTH_STEPS)
    sizes = {max(2, round(most / growth**step / 2) * 2) for step in range(GROWTH_STEPS + 1)}
    return sorted(sizes)
