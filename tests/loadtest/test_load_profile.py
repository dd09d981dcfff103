"""Load profiles of scenario files: derivation from the steps, and a run (about 8 s)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.scenario_file.errors import InvalidNode
from chatws_loadtest.scenario_file.load_profile import profile_of
from chatws_loadtest.scenario_file.reader import parse_script
from tests.loadtest.command import TIMELESS_TARGETS, LoadtestCommand

if TYPE_CHECKING:
    from pathlib import Path

TALK = """
people: {anna: agent, bob: agent, ben: customer}
steps:
  - ben: type
  - ben: {send: "1234"}
  - anna: {send: ["12345678", "123456"], in: ben}
  - bob: {send: "{n}23456", times: 1}
  - anna: read
"""
PASS, INVALID = 0, 98


def test_profile_is_derived_from_the_steps() -> None:
    profile = profile_of(parse_script(TALK.encode()))
    assert (profile.room_size, profile.rate) == (3, None)
    assert (profile.workload.typing_share, profile.workload.read_share) == (0.25, 0.25)
    assert profile.workload.history_share == 0
    assert profile.workload.content_chars == round((4 + 8 + 6 + 8) / 4)


def test_section_overrides_what_the_steps_give() -> None:
    section = "load: {rate: 2, room: 5, typing: 40%, read: 0%, history: 5%, length: 99}\n"
    profile = profile_of(parse_script((TALK + section).encode()))
    workload = profile.workload
    assert (profile.room_size, profile.rate, workload.content_chars) == (5, 2, 99)
    assert (workload.typing_share, workload.read_share, workload.history_share) == (0.4, 0, 0.05)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("{typing: 0.4}", "load: 0.4 is not a share; write for example 25%"),
        ("{typing: half}", "load: half is not a share; write for example 25%"),
        ("{users: 4}", "load: there is no key 'users' here"),
    ],
)
def test_invalid_section_is_refused(section: str, reason: str) -> None:
    with pytest.raises(InvalidNode) as problem:
        parse_script(f"{TALK}load: {section}\n".encode())
    assert (problem.value.reason, problem.value.at.line) == (reason, 9)


async def test_load_test_runs_with_the_habits_of_a_file(loadtest: LoadtestCommand, tmp_path: Path) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    path = tmp_path / "talk.yaml"
    path.write_text(f"{TALK}load: {{rate: 4, room: 3, typing: 100%}}\n")
    result = await loadtest.run(
        "--profile", str(path), "--users=9", "--duration=2", "--warmup=0.2", "--connects=500", "--quiet"
    )
    assert result.code in (PASS, INVALID), result.stdout + result.stderr
    assert (result.scenario.scenario, result.scenario.users, result.scenario.rate) == ("steady", 9, 4)
    assert result.missed == []
    assert result.scenario.latencies["typing"].count > 0
