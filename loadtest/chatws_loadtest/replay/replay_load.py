"""Load of a replay: the scripts of the recorded rooms, several times side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatws_loadtest.replay.room_script import ReplayPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.replay.room_script import RoomScript


@dataclass(frozen=True, slots=True)
class ReplayLoad:
    """Scripts, and the number of copies of each; copies have rooms of their own."""

    name: str
    """File of the recording."""
    scripts: Sequence[RoomScript]
    times: int
    reply_timeout_s: float
    """Longest time for which a send waits for the messages that it follows: those may be lost."""

    @property
    def room_sizes(self) -> list[int]:
        """Number of members of each room."""
        return [len(script.members) for script in self.scripts] * self.times

    @property
    def messages(self) -> int:
        """Number of messages that are sent."""
        steps = (step for script in self.scripts for member in script.members for step in member)
        return sum(step.action == "send" for step in steps) * self.times

    @property
    def duration_s(self) -> float:
        """Time of the last step."""
        steps = (step for script in self.scripts for member in script.members for step in member)
        return max((step.at_s for step in steps), default=0.0)

    def plan_of(self, index: int, processes: int) -> ReplayPlan:
        """Return the scripts of the rooms of one load process: each ``processes``-th room."""
        rooms = [number % len(self.scripts) for number in range(len(self.scripts) * self.times)]
        return ReplayPlan(
            scripts=list(self.scripts), rooms=rooms[index::processes], reply_timeout_s=self.reply_timeout_s
        )
