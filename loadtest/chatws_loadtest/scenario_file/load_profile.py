"""Load profile: the workload of a load test whose users have the habits of a scenario file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chatws_loadtest.credentials import divide_users
from chatws_loadtest.ipc import Stage, Workload
from chatws_loadtest.scenario_file.grammar import ReadStep, SendStep, TypeStep, bounds_s, fraction, seconds
from chatws_loadtest.scenario_file.script import Script

SMALLEST_ROOM: Final = 2


@dataclass(frozen=True, slots=True)
class ProfileStage:
    """Stage as the file describes it."""

    users: int
    rate: float | None
    """Messages per second of each user; None: that of the profile."""
    duration_s: float


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """Workload, room size and stages of a load test."""

    workload: Workload
    room_size: int
    rate: float | None
    """Messages per second of each user; None: the file gives none."""
    stages: tuple[ProfileStage, ...] = ()
    """Empty: the load is constant."""
    name: str = ""
    """Name of the file."""

    @property
    def most_users(self) -> int | None:
        """Users of the largest stage; None without stages."""
        return max((stage.users for stage in self.stages), default=None)

    def users_in_rooms(self, users: int) -> int:
        """Return the number of users that have a place in a room."""
        return sum(divide_users(users, self.room_size))

    def scale_stages(self, users: int, rate: float) -> list[Stage]:
        """Return the stages with ``users`` users in the largest one; the others keep their share, at least one room.

        ``rate`` is that of stages without one.
        """
        largest = self.most_users or users
        return [
            Stage(
                users=max(self.room_size, stage.users * users // largest),
                rate=stage.rate or rate,
                duration_s=stage.duration_s,
            )
            for stage in self.stages
        ]


def profile_of(script: Script, name: str = "") -> LoadProfile:
    """Return the profile of the section ``load``; what it does not give is derived from the steps.

    The shares are those of ``type`` and ``read`` steps per message, the length is the mean of the texts, and a room has
    the agents and one customer.
    """
    load, texts = script.load, _texts(script)
    messages = max(1, len(texts))
    agents = sum(person.is_agent for person in script.people.values())
    workload = Workload(
        typing_share=_count(script, TypeStep) / messages if load.typing is None else fraction(load.typing),
        read_share=_count(script, ReadStep) / messages if load.read is None else fraction(load.read),
        history_share=0.0 if load.history is None else fraction(load.history),
        content_chars=load.length if isinstance(load.length, int) else max(1, round(sum(map(len, texts)) / messages)),
        lengths=tuple((int(chars), int(share.rstrip("%"))) for chars, share in load.length.items())
        if isinstance(load.length, dict)
        else (),
        think_s=None if load.think is None else bounds_s(load.think),
    )
    stages = tuple(ProfileStage(stage.users, stage.rate, seconds(stage.duration)) for stage in load.stages or ())
    return LoadProfile(workload, load.room or max(SMALLEST_ROOM, agents + 1), load.rate, stages, name)


def _texts(script: Script) -> list[str]:
    """Return the text of every message that the script sends."""
    texts: list[str] = []
    for step in script.steps:
        if isinstance(step.body, SendStep):
            sent = step.body.send if isinstance(step.body.send, list) else [step.body.send] * (step.body.times or 1)
            texts += sent * len(step.people)
    return texts


def _count(script: Script, kind: type[TypeStep | ReadStep]) -> int:
    return sum(len(step.people) for step in script.steps if isinstance(step.body, kind))
