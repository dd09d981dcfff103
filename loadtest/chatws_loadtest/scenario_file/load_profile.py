"""Load profile: the workload of a load test whose users have the habits of a scenario file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chatws_loadtest.ipc import Workload
from chatws_loadtest.scenario_file.grammar import ReadStep, SendStep, TypeStep, fraction
from chatws_loadtest.scenario_file.script import Script

SMALLEST_ROOM: Final = 2


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """Workload and room size of a load test."""

    workload: Workload
    room_size: int
    rate: float | None
    """Messages per second of each user; None: the file gives none."""


def profile_of(script: Script) -> LoadProfile:
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
        content_chars=load.length or max(1, round(sum(map(len, texts)) / messages)),
    )
    return LoadProfile(workload, load.room or max(SMALLEST_ROOM, agents + 1), load.rate)


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
