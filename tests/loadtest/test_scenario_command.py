"""Command ``chatws run``: output, exit codes, files and signals (about 15 s)."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from chatws_loadtest.scenario_file.grammar import STEPS
from tests.loadtest.command import TIMEOUT_S, run_command
from tests.support.broken_server import DuplicatingServer
from tests.support.commands import PipedCommand
from tests.support.guide_server import GuideOnlyServer, Json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.server import ServerProcess

DONE, USAGE, CANNOT_CONNECT, REFUSED, INVALID, MISSED, INTERRUPTED = 0, 2, 3, 4, 98, 99, 130
TALK = """
people: {anna: agent, ben: customer}
steps:
  - ben: {send: Hello}
  - anna: {expect: {message_received: {content: Hello}}}
  - anna: {expect: nothing, for: 200ms}
  - anna: {send: Bye}
"""


class AnnouncingServer(GuideOnlyServer):
    """Server that announces the second message to the test."""

    def __init__(self) -> None:
        super().__init__()
        self.second_message = asyncio.Event()

    async def send_message(self, sid: str, request: Json) -> Json:
        if isinstance(request, dict) and request.get("content") == "two":
            self.second_message.set()
        return await super().send_message(sid, request)


async def run(*options: str | Path) -> tuple[int, str, str]:
    """Run ``chatws run``, and return exit code, standard output and standard error."""
    done = await run_command("run", *map(str, options))
    return done.returncode, done.stdout, done.stderr


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.yaml"
    path.write_text(TALK)
    return path


@pytest.fixture
def credentials(tmp_path: Path) -> tuple[str, ...]:
    """Options that name files of credentials of a server that accepts any."""
    (tmp_path / "sessions").write_text("session-1 conv-1\n")
    (tmp_path / "tokens").write_text("token-1\ntoken-2\n")
    return ("--sessions", str(tmp_path / "sessions"), "--tokens", str(tmp_path / "tokens"))


@pytest.fixture
async def doubling_server() -> AsyncIterator[str]:
    """URL of a server that delivers every message twice."""
    server = DuplicatingServer(every=1)
    await server.start()
    yield server.url
    await server.stop()


async def test_bundled_server_passes_a_killed_server_included(tmp_path: Path) -> None:
    path = tmp_path / "kill.yaml"
    rewrite(path, f"{TALK}  - server: kill\n  - anna: {{send: Back}}\n  - ben: {{expect: reconnect}}\n")
    code, stdout, stderr = await run(path)
    assert (code, stderr) == (DONE, ""), stdout
    *steps, last = stdout.splitlines()
    assert [line.split()[0] for line in steps] == ["ok"] * 7
    assert last.startswith("7 of 7 steps passed in ")


async def test_failed_step_is_explained_and_exits_99(
    talk: Path, doubling_server: str, credentials: tuple[str, ...]
) -> None:
    junit = talk.with_suffix(".xml")
    code, stdout, _ = await run(talk, "--url", doubling_server, *credentials, "--junit", junit)
    assert code == MISSED
    lines = [line.strip() for line in stdout.splitlines()]
    assert lines[2].startswith("FAIL    anna: {expect: nothing, for: 200ms}")
    assert lines[3:7] == [
        f"{talk}:6:5",
        "anna: message_received arrived",
        "expected: nothing for 200 ms",
        "last events of anna:",
    ]
    assert '"content":"Hello"' in lines[-3]
    assert lines[-2] == "-       anna: {send: Bye}"
    assert lines[-1].startswith("2 of 4 steps passed, 1 not run in ")
    suite = ET.parse(junit).getroot()[0]  # noqa: S314 - our own file
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "0", "1"]
    [failure] = suite.iter("failure")
    assert failure.get("message") == "message_received arrived"


async def test_json_has_every_step_with_its_line(
    talk: Path, doubling_server: str, credentials: tuple[str, ...]
) -> None:
    code, stdout, _ = await run(talk, "--url", doubling_server, *credentials, "--json")
    report = json.loads(stdout)
    assert (code, report["outcome"], report["url"]) == (MISSED, "fail", doubling_server)
    assert [(step["line"], step["outcome"]) for step in report["steps"]] == [
        (4, "pass"),
        (5, "pass"),
        (6, "fail"),
        (7, "not run"),
    ]
    assert [event["name"] for event in report["steps"][2]["arrived"]][-2:] == ["message_received", "message_received"]


async def test_step_that_is_not_judgeable_exits_98(
    talk: Path, doubling_server: str, credentials: tuple[str, ...]
) -> None:
    rewrite(talk, "people: {anna: agent, ben: customer}\nsteps:\n  - anna: claim\n")
    code, stdout, _ = await run(talk, "--url", doubling_server, *credentials)
    assert code == INVALID
    assert "it does not offer claim_conversation" in stdout


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("steps: [{ben: {send: x}}]", "1:1: the section `people` is missing"),
        ("people: {ben: customer}\nsteps: [{bob: {send: x}}]", "2:10: there is no person 'bob'"),
        ("people: {ben: customer}\nsteps: [{ben: {snd: x}}]", "2:16: there is no step 'snd'; did you mean 'send'?"),
        (
            "people: {ben: customer}\nsteps: [ben: {expect: [nothing]}]",
            "2:24: expect: nothing is not the name of an event",
        ),
        ("people: {ben: customer, ben: agent}\nsteps: []", "1:25: the key 'ben' occurs twice"),
        ("people: [", "1:10: not YAML"),
        (
            f"people: {{ben: customer}}\nsteps: [{{ben: {{send: x}}}}]\nload: {{room: {'9' * 5000}}}",
            "3:14: load: expected a whole number or nothing, not 9",
        ),
    ],
)
async def test_invalid_file_gives_one_line_with_its_place(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "bad.yaml"
    rewrite(path, text)
    code, stdout, stderr = await run(path, "--check")
    assert (code, stdout) == (USAGE, "")
    assert stderr.startswith(f"chatws run: {path}:{error}")
    assert stderr.count("\n") == 1


async def test_check_runs_nothing(talk: Path) -> None:
    assert await run(talk, "--check") == (DONE, f"{talk}: 2 people, 4 steps\n", "")
    code, stdout, stderr = await run(talk, "--check", "--json")
    assert (code, json.loads(stdout), stderr) == (DONE, {"file": str(talk), "people": ["anna", "ben"], "steps": 4}, "")


async def test_schema_describes_every_step() -> None:
    code, stdout, _ = await run("--schema")
    assert code == DONE
    kinds = json.loads(stdout)["$defs"].values()
    keywords = {key for kind in kinds for key in kind.get("required", [])}
    assert keywords == {*STEPS, "kill", "for", "users"}
    assert not any(kind["additionalProperties"] for kind in kinds)


async def test_unreachable_server_exits_3_and_refused_credentials_4(
    talk: Path, shared_server: ServerProcess, credentials: tuple[str, ...]
) -> None:
    code, _, stderr = await run(talk, "--url", "http://127.0.0.1:1", *credentials)
    assert (code, stderr) == (CANNOT_CONNECT, "chatws run: http://127.0.0.1:1: Connection refused\n")
    code, _, stderr = await run(talk, "--url", shared_server.url, *credentials)
    assert code == REFUSED
    assert stderr.startswith("chatws run: anna could not connect: connect_error")


async def test_server_that_is_not_bundled_is_never_killed(
    talk: Path, shared_server: ServerProcess, credentials: tuple[str, ...]
) -> None:
    rewrite(talk, "people: {ben: customer}\nsteps:\n  - server: kill\n")
    code, _, stderr = await run(talk, "--url", shared_server.url, *credentials)
    assert (code, stderr) == (
        USAGE,
        f"chatws run: {talk}:3:5: only the bundled server can be killed; leave out the URL\n",
    )


def test_ctrl_c_stops_the_server_and_exits_130(talk: Path) -> None:
    rewrite(talk, "people: {ben: customer}\nsteps:\n  - ben: {send: Hello}\n  - wait: 10min\n")
    with closing(PipedCommand("run", str(talk))) as child:
        child.stdout.wait_for("^ok", TIMEOUT_S)
        child.send_signal(signal.SIGINT)
        assert child.wait(TIMEOUT_S) == INTERRUPTED
    assert child.stderr.lines == ["chatws run: stopped before the end"]
    assert re.fullmatch("1 of 2 steps passed, 1 not run in .*: stopped", child.stdout.lines[1])


async def test_ctrl_c_writes_the_steps_so_far(talk: Path, credentials: tuple[str, ...]) -> None:
    rewrite(talk, "people: {ben: customer}\nsteps:\n  - ben: {send: one}\n  - ben: {send: two}\n  - wait: 10min\n")
    junit = talk.with_suffix(".xml")
    server = AnnouncingServer()
    await server.start()
    options = ("--url", server.url, *credentials, "--json", "--junit", str(junit))
    child = await asyncio.to_thread(PipedCommand, "run", str(talk), *options)
    await server.second_message.wait()
    child.send_signal(signal.SIGINT)
    code = await asyncio.to_thread(child.wait, TIMEOUT_S)
    await asyncio.to_thread(child.close)
    await server.stop()
    report = json.loads(child.stdout.text)
    assert (code, report["stopped"], report["outcome"]) == (INTERRUPTED, True, "invalid")
    outcomes = [step["outcome"] for step in report["steps"]]
    assert (len(outcomes), outcomes[0], outcomes[2]) == (3, "pass", "not run")
    suite = ET.parse(junit).getroot()[0]  # noqa: S314 - our own file
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["3", "0", "0"]
    assert {case.get("message") for case in suite.iter("skipped")} == {"the run was stopped"}
