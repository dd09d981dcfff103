"""Raw client, checks, load test and scenario files on the example server with its own event names; 35 s."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from chatws.client.mapping import NotMapped, read_mapping
from chatws_loadtest.credentials import Credentials, CustomerCredentials
from chatws_loadtest.raw_client import ConnectErrorReceived, RawClient
from chatws_loadtest.scenario_file import PlayOptions, PlayReport, play
from chatws_loadtest.server_address import ServerAddress
from chatws_loadtest.verdict import Outcome
from tests.loadtest.command import FEW, TIMELESS_TARGETS, TIMEOUT_S, LoadtestCommand, check_correct, run_command
from tests.loadtest.other_server import EXAMPLE, MAPPING, make_nicknames, run_example_server
from tests.support.preloaded import run_preloaded
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.node import NodeRunner

PASS, USAGE, CANNOT_CONNECT, MISSED = 0, 2, 3, 99
MAPPED = ("--mapping", str(MAPPING))


@pytest.fixture(scope="module")
def example_server(node: NodeRunner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the example server without faults."""
    del node  # the fixture has installed the packages
    with run_example_server(tmp_path_factory.mktemp("example")) as url:
        yield url


async def test_raw_client_speaks_the_guide_inside_and_the_servers_names_outside(example_server: str) -> None:
    server = ServerAddress(example_server, ssl.create_default_context(), read_mapping(MAPPING))
    agent = await RawClient.authenticated(server, {"token": "staff-1"})
    guest = await RawClient.authenticated(server, {"sessionId": "guest-1"})
    assert agent.identity == {"userId": "staff-1", "userName": "staff-1", "role": "admin"}
    for client in (agent, guest):
        await client.emit("join_conversation", "room-1")
        await client.expect("joined_conversation", conversationId="room-1")
    ack = await guest.request("send_message", {"conversationId": "room-1", "content": "hello"})
    message = await agent.expect("message_received", conversationId="room-1", content="hello")
    assert ack == {"success": True, "messageId": message["messageId"]}
    assert message["sender"] == {"userId": "guest-1", "userName": "guest-1", "role": "customer"}
    assert (await guest.request("send_message", {"conversationId": "room-1", "content": " "}))["success"] is False
    await guest.emit("typing_start", "room-1")
    await agent.expect("typing_indicator", userId="guest-1", isTyping=True)
    with pytest.raises(NotMapped, match="mark_read"):
        await guest.request("mark_read", {"conversationId": "room-1", "seq": 1})
    with pytest.raises(NotMapped, match="message_read"):
        await guest.receives("message_read")
    await guest.close()
    await agent.expect("presence_update", userId="guest-1", status="offline")
    await agent.close()
    with pytest.raises(ConnectErrorReceived, match="no nickname"):
        await RawClient.authenticated(server, {"token": ""})


async def check(*options: str) -> tuple[int, str, str]:
    """Run ``chatws check``, and return its exit code and output."""
    done = await run_command("check", *options)
    return done.returncode, done.stdout, done.stderr


async def test_server_with_other_names_passes_checks_and_load_test_with_its_mapping(
    loadtest: LoadtestCommand, example_server: str, tmp_path: Path
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    options = (*MAPPED, *make_nicknames(tmp_path))
    (code, results), result = await asyncio.gather(
        check_correct(example_server, *options),
        loadtest.run("--url", example_server, "--scenario=steady", *options, *FEW),
    )
    assert [name for name, outcome in results.items() if outcome == "fail"] == []
    assert code == PASS
    assert {results[name] for name in ("room.join", "room.leave", "typing.stop", "presence.offline")} == {"pass"}
    assert {results[name] for name in ("auth.event", "presence.choice", "catchup.read")} == {"not offered"}
    assert result.missed == [], result.stdout + result.stderr
    assert result.scenario.failures == {}
    assert result.scenario.mapping == MAPPING.name
    assert result.scenario.balance.delivered == result.scenario.balance.acked == result.scenario.balance.sent > 0
    assert result.scenario.latencies["typing"].count > 0


PYTEST = """
async def test_talk(scenario):
    await scenario("talk.yaml")
"""


def test_pytest_plays_a_scenario_file_with_the_mapping(example_server: str, tmp_path: Path) -> None:
    (tmp_path / "test_talk.py").write_text(PYTEST)
    (tmp_path / "talk.yaml").write_text(
        "people: {anna: agent, ben: customer}\n"
        "steps: [ben: {send: Hello}, anna: {expect: {message_received: {content: Hello}}}]\n"
    )
    make_nicknames(tmp_path)
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nasyncio_mode = auto\nchatws_url = {example_server}\nchatws_mapping = {MAPPING}\n"
        "chatws_tokens = staff\nchatws_sessions = guests\n"
    )
    words = ("tests.loadtest.pytest_program", "-q", "-p", "no:cacheprovider")
    done = run_preloaded(*words, env=environment_of_children(), timeout_s=TIMEOUT_S, folder=tmp_path)
    assert done.returncode == PASS, done.stdout


@pytest.mark.extended
async def test_lost_messages_of_a_mapped_server_are_detected(
    loadtest: LoadtestCommand, node: NodeRunner, tmp_path: Path
) -> None:
    del node  # the fixture has installed the packages
    loadtest.targets.write_text(TIMELESS_TARGETS)
    with run_example_server(tmp_path, "drop") as url:
        options = ("--url", url, "--scenario=steady", *MAPPED, *make_nicknames(tmp_path), *FEW, "--drain=1")
        result = await loadtest.run(*options)
    assert result.code == MISSED, result.stdout + result.stderr
    assert "lost" in result.missed


@pytest.mark.extended
async def test_ack_of_another_shape_than_the_mapping_describes_is_a_failure(
    loadtest: LoadtestCommand, node: NodeRunner, tmp_path: Path
) -> None:
    del node  # the fixture has installed the packages
    with run_example_server(tmp_path, "badack") as url:
        options = ("--url", url, "--scenario=steady", *MAPPED, *make_nicknames(tmp_path), *FEW, "--drain=1")
        result = await loadtest.run(*options)
    assert result.code == MISSED, result.stdout + result.stderr
    assert "malformed" in result.missed


@pytest.mark.extended
async def test_server_that_does_not_ack_is_measured_and_its_acks_are_not_judged(
    loadtest: LoadtestCommand, example_server: str, tmp_path: Path
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    silent = write_silent_mapping(tmp_path)
    options = ("--mapping", str(silent), *make_nicknames(tmp_path))
    result = await loadtest.run("--url", example_server, "--scenario=steady", *options, *FEW)
    assert result.missed == [], result.stdout + result.stderr
    assert result.scenario.balance.delivered == result.scenario.balance.sent > 0
    assert "ack" not in result.scenario.latencies
    assert any(line.startswith("ack, unanswered: the mapping says") for line in result.scenario.unchecked)


async def test_server_with_other_names_is_refused_without_a_mapping(
    loadtest: LoadtestCommand, example_server: str, tmp_path: Path
) -> None:
    nicknames = make_nicknames(tmp_path)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(MAPPING.read_text().replace('"welcome"', '"hello"'))
    result, mapped, (_, _, stderr) = await asyncio.gather(
        loadtest.run("--url", example_server, *nicknames, *FEW),
        loadtest.run("--url", example_server, "--mapping", str(wrong), *nicknames, *FEW),
        check(example_server, *nicknames, "--only=health.ready"),
    )
    assert (result.code, result.report) == (CANNOT_CONNECT, None)
    assert "no Socket.IO endpoint /socket.io/" in result.stderr
    assert "--mapping FILE" in result.stderr
    assert "--mapping FILE" in stderr
    assert (mapped.code, mapped.report) == (CANNOT_CONNECT, None)
    assert "sends welcome, but no hello" in mapped.stderr


async def test_invalid_mapping_file_ends_the_commands_with_one_line(tmp_path: Path, loadtest: LoadtestCommand) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(MAPPING.read_text().replace("{content}", "{text}"))
    result, (code, stdout, stderr) = await asyncio.gather(
        loadtest.run("--mapping", str(broken)), check("http://127.0.0.1:9", "--mapping", str(broken))
    )
    assert (result.code, result.stdout, code, stdout) == (USAGE, "", USAGE, "")
    for line in (result.stderr, stderr):
        assert f"--mapping {broken}:" in line
        assert "send.args: unknown placeholder {text}" in line
        assert line.count("\n") == 1


SCENARIO = EXAMPLE / "talk.yaml"
PEOPLE = "people: {anna: agent, ben: customer}\nsteps:\n"


async def run_scenario(*options: str) -> tuple[int, str]:
    """Play the example's scenario file with ``chatws run``, and return exit code and output."""
    done = await run_command("run", str(SCENARIO), *options)
    return done.returncode, done.stdout + done.stderr


async def test_scenario_file_plays_on_a_server_with_other_names(example_server: str, tmp_path: Path) -> None:
    code, output = await run_scenario("--url", example_server, *MAPPED, *make_nicknames(tmp_path))
    assert code == PASS, output
    assert output.count("ok  ") == SCENARIO.read_text().count("\n  - ")


async def test_scenario_file_without_the_mapping_or_the_server_ends_with_advice(
    example_server: str, tmp_path: Path
) -> None:
    code, output = await run_scenario("--url", example_server, *make_nicknames(tmp_path))
    assert (code, output.count("\n")) == (CANNOT_CONNECT, 1)
    assert "--mapping FILE" in output
    code, output = await run_scenario(*MAPPED)
    assert (code, output.count("\n")) == (USAGE, 1)
    assert "--mapping needs --url" in output


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("anna: claim", "the mapping file has no claim_conversation"),
        ("ben: read", "the mapping file has no read marks"),
        ("anna: {emit: {history: any}}", "the mapping file has no history"),
        ("anna: {expect: message_read}", "the mapping file has no message_read"),
        ("anna: {expect: nothing, for: 100ms, of: message_read}", "the mapping file has no message_read"),
    ],
)
async def test_step_that_the_mapping_does_not_describe_is_not_judged(
    example_server: str, tmp_path: Path, step: str, reason: str
) -> None:
    report = await play_steps(tmp_path, example_server, step)
    assert report.outcome is Outcome.INVALID
    assert report.failed is not None
    assert report.failed.reason == reason


async def test_ack_of_another_shape_fails_the_step(node: NodeRunner, tmp_path: Path) -> None:
    del node  # the fixture has installed the packages
    with run_example_server(tmp_path, "badack") as url:
        report = await play_steps(tmp_path, url, "ben: {send: Hello}")
    assert report.outcome is Outcome.FAIL
    assert report.failed is not None
    assert (report.failed.person, report.failed.reason) == (
        "ben",
        "the ack to send_message differs from the mapping: the ack ['ok'] has no bool at ok",
    )


async def test_message_counts_as_accepted_on_a_server_that_does_not_ack(example_server: str, tmp_path: Path) -> None:
    silent = write_silent_mapping(tmp_path)
    steps = ("ben: {send: Hello, drop: 100ms}", "anna: {expect: {message_received: {content: Hello}}}")
    once = "anna: {expect: nothing, for: 300ms, of: message_received}"
    report = await play_steps(tmp_path, example_server, *steps, once, mapping=silent)
    assert report.outcome is Outcome.PASS, report.failed
    report = await play_steps(tmp_path, example_server, 'ben: {send: " ", refused: any}', mapping=silent)
    assert report.outcome is Outcome.INVALID


async def play_steps(folder: Path, url: str, *steps: str, mapping: Path = MAPPING) -> PlayReport:
    """Play steps of Anna and Ben."""
    file = folder / "talk.yaml"
    file.write_text(PEOPLE + "".join(f"  - {step}\n" for step in steps))
    guests = [CustomerCredentials("guest-ben", "room-ben")]
    credentials = Credentials(tokens=("staff-1",), sessions=guests)
    return await play(file, PlayOptions(url=url, credentials=credentials, mapping=read_mapping(mapping)))


def write_silent_mapping(folder: Path) -> Path:
    """Write a mapping of a server that does not ack messages."""
    ack = 'ack = { success = "ok", error = "reason", message_id = "id" }'
    text = MAPPING.read_text()
    assert ack in text
    path = folder / "silent.toml"
    path.write_text(text.replace(ack, 'ack = { kind = "none" }'))
    return path
