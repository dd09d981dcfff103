"""Load profiles of scenario files: derivation from the steps, and runs (about 25 s)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.ipc import Stage
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
PASS, USAGE, INVALID = 0, 2, 98


def test_profile_is_derived_from_the_steps() -> None:
    profile = profile_of(parse_script(TALK.encode()))
    assert (profile.room_size, profile.rate) == (3, None)
    assert (profile.workload.typing_share, profile.workload.read_share) == (0.25, 0.25)
    assert profile.workload.history_share == 0
    assert profile.workload.content_chars == round((4 + 8 + 6 + 8) / 4)


def test_stages_keep_their_share_of_the_users_and_at_least_one_room() -> None:
    section = "load: {room: 4, rate: 2, stages: [{users: 2, for: 1min}, {users: 40, rate: 5, for: 500ms}]}\n"
    profile = profile_of(parse_script((TALK + section).encode()))
    assert profile.most_users == 40
    assert profile.scale_stages(100, 2) == [
        Stage(users=5, rate=2, duration_s=60),
        Stage(users=100, rate=5, duration_s=0.5),
    ]
    assert profile.scale_stages(10, 2)[0].users == 4


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
        ("{stages: [{users: 4}]}", "load: the key 'for' is missing"),
        ("{stages: [{users: 4, for: 10}]}", "load: 10 is not a time; write for example 300ms, 2s or 1min"),
    ],
)
def test_invalid_section_is_refused(section: str, reason: str) -> None:
    with pytest.raises(InvalidNode) as problem:
        parse_script(f"{TALK}load: {section}\n".encode())
    assert (problem.value.reason, problem.value.at.line) == (reason, 9)


async def test_load_test_runs_with_the_habits_of_a_file(loadtest: LoadtestCommand, tmp_path: Path) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    path = tmp_path / "talk.yaml"
    path.write_text(f"{TALK}load: {{rate: 3, room: 3, typing: 30%}}\n")
    result = await loadtest.run(
        "--profile", str(path), "--users=9", "--duration=2", "--warmup=0.2", "--connects=500", "--quiet"
    )
    assert result.code in (PASS, INVALID), result.stdout + result.stderr
    assert (result.scenario.scenario, result.scenario.users, result.scenario.rate) == ("steady", 9, 3)
    assert result.missed == []
    assert result.scenario.latencies["typing"].count > 0


STAGES = """load:
  rate: 4
  room: 2
  typing: 10%
  stages:
    - {users: 2, for: 1s}
    - {users: 6, for: 3s}
    - {users: 3, rate: 8, for: 2500ms}
"""


async def test_stages_of_a_file_are_scaled_and_judged_by_the_users_of_each(
    loadtest: LoadtestCommand, tmp_path: Path
) -> None:
    """``--users`` doubles each stage; an odd user is left out."""
    loadtest.targets.write_text(TIMELESS_TARGETS + 'connections = ">= 12"\n')
    path = tmp_path / "talk.yaml"
    path.write_text(TALK + STAGES)
    result = await loadtest.run("--profile", str(path), "--users=12", "--warmup=0.2", "--connects=50", "--quiet")
    scenario = result.scenario
    assert result.code in (PASS, INVALID), result.stdout + result.stderr
    assert [(stage.users, stage.rate, stage.connections) for stage in scenario.stages] == [
        (4, 4, 4),
        (12, 4, 12),
        (6, 8, 6),
    ]
    assert [second.connections for second in scenario.series][-1] == 6
    assert [mark.what for mark in scenario.marks] == ["4 users, 4/s each", "12 users, 4/s each", "6 users, 8/s each"]
    assert scenario.balance.sent == scenario.balance.acked == scenario.balance.delivered > 150
    assert result.missed == []
    assert "stage 3: 6 of 6 users, 8 messages/s each" in result.stdout


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--scenario=spike", "has stages, which only the scenario steady can run"),
        ("--duration=5", "has stages with their own times; leave out --duration"),
    ],
)
async def test_stages_exclude_other_steps(loadtest: LoadtestCommand, tmp_path: Path, option: str, reason: str) -> None:
    path = tmp_path / "talk.yaml"
    path.write_text(TALK + STAGES)
    result = await loadtest.run("--profile", str(path), option)
    assert (result.code, result.stderr) == (USAGE, f"chatws loadtest: {path} {reason}\n")
