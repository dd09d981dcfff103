"""Load profiles of scenario files: derivation from the steps, and runs (about 30 s)."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chatws_loadtest.ipc import Stage, Workload
from chatws_loadtest.options import find_credentials
from chatws_loadtest.run_request import RunOptions, RunRequest
from chatws_loadtest.runner import run
from chatws_loadtest.scenario_file.errors import InvalidNode
from chatws_loadtest.scenario_file.load_profile import profile_of
from chatws_loadtest.scenario_file.reader import parse_script
from chatws_loadtest.scenarios import SCENARIOS
from chatws_loadtest.thresholds import delivery_thresholds
from tests.loadtest.command import TIMELESS_TARGETS, LoadtestCommand
from tests.support.guide_server import GuideOnlyServer
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from chatws_loadtest.results import ScenarioResult

TALK = """
people: {anna: agent, bob: agent, ben: customer}
steps:
  - ben: type
  - ben: {send: "1234"}
  - anna: {send: ["12345678", "123456"], in: ben}
  - bob: {send: "{n}23456", times: 1}
  - anna: read
"""
NO_LENGTH = "is not a length of 1 to 4000; write 80, or {40: 75%, 900: 25%}"
PASS, USAGE, INVALID, MISSED = 0, 2, 98, 99


def test_profile_is_derived_from_the_steps() -> None:
    profile = profile_of(parse_script(TALK.encode()))
    assert (profile.room_size, profile.rate) == (3, None)
    assert (profile.workload.typing_share, profile.workload.read_share) == (0.25, 0.25)
    assert profile.workload.history_share == 0
    assert profile.workload.content_chars == round((4 + 8 + 6 + 8) / 4)


def test_length_and_think_time_are_part_of_the_workload() -> None:
    workload = profile_of(
        parse_script((TALK + "load: {length: {40: 75%, 900: 25%}, think: 500ms..2s}\n").encode())
    ).workload
    assert workload.lengths == ((40, 75), (900, 25))
    assert workload.think_s == (0.5, 2)


def test_think_time_may_be_fixed() -> None:
    assert profile_of(parse_script((TALK + "load: {think: 1min}\n").encode())).workload.think_s == (60, 60)


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
        ("{think: 8s..2s}", "load: 8s..2s ends before it begins"),
        ("{think: soon}", "load: soon is not a time; write for example 2s or 2s..8s"),
        ("{length: {40: 50%, 900: 40%}}", "load: the shares of the lengths add up to 90%, not 100%"),
        ("{length: {9000: 100%}}", f"load: {{9000: 100%}} {NO_LENGTH}"),
        ("{length: 0}", f"load: 0 {NO_LENGTH}"),
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
  rate: 2
  room: 2
  think: 100ms..300ms
  stages:
    - {users: 2, for: 1s}
    - {users: 6, for: 3s}
    - {users: 3, rate: 3, for: 2500ms}
"""


async def test_stages_of_a_file_are_scaled_and_judged_by_the_users_of_each(
    loadtest: LoadtestCommand, tmp_path: Path
) -> None:
    """``--users`` doubles each stage; an odd user is left out, since whole rooms of both processes come and go."""
    loadtest.targets.write_text(TIMELESS_TARGETS + 'connections = ">= 12"\n')
    path = tmp_path / "talk.yaml"
    path.write_text(TALK + STAGES)
    load = ("--users=12", "--processes=2", "--warmup=0.2", "--connects=50", "--quiet")
    result = await loadtest.run("--profile", str(path), *load)
    scenario = result.scenario
    assert result.code in (PASS, INVALID), result.stdout + result.stderr
    assert [(stage.users, stage.rate, stage.connections) for stage in scenario.stages] == [
        (4, 2, 4),
        (12, 2, 12),
        (6, 3, 6),
    ]
    connections = [second.connections for second in scenario.series]
    # On a busy machine, a second may have the report of one process only.
    assert 6 < max(connections) <= 12
    assert 0 < connections[-1] <= 6
    assert [mark.what for mark in scenario.marks] == ["4 users, 2/s each", "12 users, 2/s each", "6 users, 3/s each"]
    assert scenario.balance.sent == scenario.balance.acked == scenario.balance.delivered > 100
    assert (scenario.profile, scenario.transport, scenario.mapping) == ("talk.yaml", "websocket", "")
    assert result.missed == []
    assert "stage 3: 6 of 6 users, 3 messages/s each" in result.stdout


@pytest.mark.extended
async def test_stage_without_all_of_its_users_misses_the_connections(loadtest: LoadtestCommand, tmp_path: Path) -> None:
    """The server refuses further connections; the second process has no user in the first stage."""
    loadtest.targets.write_text(TIMELESS_TARGETS + 'connections = ">= 8"\n')
    path = tmp_path / "talk.yaml"
    path.write_text(TALK + "load: {room: 2, stages: [{users: 2, for: 1s}, {users: 8, for: 2s}]}\n")
    server = ServerProcess(tmp_path / "server", "--set", "connections=6")
    await asyncio.to_thread(server.start)
    try:
        target = ("--url", server.url, "--jwt-secret-file", str(server.data_dir / "secret"))
        load = ("--profile", str(path), "--processes=2", "--warmup=0.2", "--connects=50", "--drain=1", "--quiet")
        result = await loadtest.run(*target, *load)
    finally:
        await asyncio.to_thread(server.stop)
    assert result.code == MISSED, result.stdout + result.stderr
    first, second = result.scenario.stages
    assert (first.users, first.connections, second.users) == (2, 2, 8)
    assert 2 < second.connections < 8
    assert result.scenario.numbers["connections"] == second.connections
    assert f"missed: stage 2: {second.connections} of 8 users were connected at its end; the server" in result.stdout


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


THINK_US = 1_000_000


class RecordingServer(GuideOnlyServer):
    """Server that records the room and sender of each message, as its content names them, with time and length."""

    def __init__(self) -> None:
        super().__init__()
        self.times: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self.lengths: list[int] = []

    async def send_message(self, sid: str, request: Any) -> Any:
        _, room, sender, _ = request["content"].split("-", 3)
        self.times[room, sender].append(time.perf_counter())
        self.lengths.append(len(request["content"]))
        return await super().send_message(sid, request)


async def test_users_answer_after_their_think_time_in_messages_of_the_given_lengths(
    loadtest: LoadtestCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first member of each pair sends at the rate, so that the second one only answers."""
    loadtest.make_credentials(4)
    monkeypatch.setitem(SCENARIOS, "steady", replace(SCENARIOS["steady"], workload=Workload(senders=1)))
    server, result = await record_pairs(loadtest)
    if result.latencies["send_lag"].p90 >= THINK_US:
        # A busy machine may stop the load process for a second.
        server, result = await record_pairs(loadtest)
    assert result.verdict.missed == ()
    for room in "0123":
        sent, replies = server.times[room, "0"], server.times[room, "1"]
        assert len(sent) / 3 < len(replies) <= len(sent)
        # In any order, the n-th reply follows the n-th message by at least the think time.
        assert all(later - earlier >= 1 for earlier, later in zip(sent, replies, strict=False))
    # From the scheduled time of a reply; the message that it answers is at least a second older.
    assert result.latencies["send_lag"].p90 < THINK_US
    # The length of the origin at the beginning of a content varies.
    long, short = (sum(abs(length - chars) < 10 for length in server.lengths) for chars in (900, 40))
    assert long + short == len(server.lengths)
    assert 0 < long < short


async def record_pairs(loadtest: LoadtestCommand) -> tuple[RecordingServer, ScenarioResult]:
    """Run pairs with a think time of at least `THINK_US`, and return their server and the result."""
    section = "load: {rate: 4, room: 2, length: {40: 75%, 900: 25%}, think: 1s..1500ms}\n"
    options = RunOptions(
        users=8,
        rate=4.0,
        duration_s=4.0,
        warmup_s=0.1,
        drain_s=5.0,
        connects_per_s=100.0,
        processes=1,
        seed=1,
        csv_dir=None,
        ca_file=None,
        profile=profile_of(parse_script((TALK + section).encode())),
    )
    server = RecordingServer()
    await server.start()
    try:
        credentials = find_credentials(None, loadtest.folder / "tokens", loadtest.folder / "sessions")
        request = RunRequest(["steady"], options, delivery_thresholds(), server.url, credentials, [])
        [result] = (await run(request, asyncio.Event(), quiet=True)).scenarios
    finally:
        await server.stop()
    return server, result
