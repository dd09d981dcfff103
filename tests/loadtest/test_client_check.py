"""``chatws check-client`` with the Python SDK, a careless client, the guide's code on Node.js, and others; 60 s."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from chatws_loadtest.check.registry import CheckOutcome, CheckResult
from chatws_loadtest.client_check.checked_client import CheckedClient, ExternalClient
from chatws_loadtest.client_check.registry import SITUATIONS
from chatws_loadtest.client_check.runner import ClientRunOptions, all_situations, run_situations
from tests.loadtest.checked_clients import AgentSdkTask, CarelessTask, ForgetfulTask, SdkTask
from tests.loadtest.command import TIMEOUT_S, run_command
from tests.support.commands import PipedCommand, UnreadCommand
from tests.support.node import NODE_DIR, NodeRunner
from tests.support.ports import free_port

PAGE = Path(__file__).parent.parent.parent / "docs" / "check-client.md"
DONE, FAILED, USAGE, CANNOT_CONNECT, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 130, 141
LONG = {"ack.never", "connection.silent_websocket", "room.join_lost"}
"""Situations that wait for a client's timeout of 10 s; a client that first tries a WebSocket has one for it."""

SLACK = 3
"""Factor of the time limits: the machine may be busy."""

FAULTLESS = "on a server without faults"

HAMMERED = {"login.refused", "pace.accept_and_close", "pace.outage"}
"""Situations in which a client that connects again at once fails on any machine."""

PREDICTED = (
    "ack.unknown_outcome",
    "room.rejoined",
    "delivery.duplicate",
    "delivery.unknown",
    "typing.throttled",
    "login.expiring",
)
"""Situations in which the guide's code is run with every change; `make test-extended` runs it in all of them."""


async def run_all(client: type[CheckedClient], *prefixes: str, without: set[str] | None = None) -> list[CheckResult]:
    """Run situations, sixteen at the same time."""
    chosen = [row for row in all_situations() if row.name.startswith(prefixes) and row.name not in (without or ())]
    return await run_situations(chosen, client, lambda _: None, ClientRunOptions(jobs=16, slack=SLACK))


def failures(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.reason for result in results if result.result is CheckOutcome.FAIL}


def not_judged(results: list[CheckResult]) -> set[str]:
    return {result.name for result in results if result.result is CheckOutcome.NOT_OFFERED}


async def test_python_client_passes() -> None:
    results = await run_all(SdkTask, "", without=LONG)
    assert failures(results) == {}
    assert not_judged(results) == {"login.expiring", "login.expired"}


@pytest.mark.extended
async def test_python_client_repeats_requests_after_their_timeout() -> None:
    results = await run_all(SdkTask, *LONG)
    assert {result.result for result in results} == {CheckOutcome.PASS}


async def test_python_client_renews_its_token() -> None:
    results = await run_all(AgentSdkTask, "login.exp")
    assert {result.result for result in results} == {CheckOutcome.PASS}


async def test_client_that_repeats_under_new_ids_and_returns_after_a_log_out_fails() -> None:
    found = failures(await run_all(CarelessTask, "login.ended", "ack.swallowed", "connection.busy"))
    assert found.keys() == {"login.ended", "ack.swallowed", "connection.busy"}
    assert found["ack.swallowed"] == "it was sent again with another clientMessageId"


async def test_client_that_hammers_fails() -> None:
    found: dict[str, str] = {}
    # A busy machine may slow this client down to a permitted pace.
    for _ in range(3):
        found |= failures(await run_all(CarelessTask, *sorted(HAMMERED - found.keys())))
        if found.keys() == HAMMERED:
            break
    assert found.keys() == HAMMERED
    assert re.fullmatch(r"it made \d+ attempts in 4 s", found["pace.outage"])


async def test_client_that_forgets_the_messages_of_a_lost_connection_fails() -> None:
    [result] = await run_all(ForgetfulTask, "connection.frozen_up")
    assert result.result is CheckOutcome.FAIL
    assert result.reason.startswith("the messages stored are [")


async def test_client_that_works_only_once_has_a_finding_of_its_own() -> None:
    class OnceTask(SdkTask):
        """Client that does not find the server when it is started again."""

        is_first = True

        async def start(self, url: str) -> None:
            await super().start(url if self.is_first else "http://127.0.0.1:9")
            self.is_first = False

    chosen = [SITUATIONS[name] for name in ("login.ended", "connection.reset")]
    results = await run_situations(chosen, OnceTask, lambda _: None, ClientRunOptions())
    assert [result.result for result in results] == [CheckOutcome.PASS, CheckOutcome.FAIL]
    assert results[1].reason == "before the fault: the client did not connect, on a server without faults"


async def test_client_that_the_user_starts_is_checked_on_a_port_of_their_choice() -> None:
    announced: list[str] = []
    client, port = SdkTask(), free_port()
    starts: list[asyncio.Task[None]] = []

    def announce(line: str) -> None:
        announced.append(line)
        starts.append(asyncio.create_task(client.start(line.rpartition(" ")[2])))

    chosen, options = [SITUATIONS["connection.reset"]], ClientRunOptions(port=port)
    [result] = await run_situations(chosen, lambda: ExternalClient(announce), lambda _: None, options)
    await client.stop()
    assert result.result is CheckOutcome.PASS
    assert announced == [f"start the client now: http://127.0.0.1:{port}"]


def test_interrupted_command_ends_its_client(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(
        "import os, pathlib, sys, time\npathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    words = ("check-client", "--jobs", "1", "--", sys.executable, str(tmp_path / "client.py"), str(fifo))
    with closing(PipedCommand(*words)) as child:
        pid = int(fifo.read_text())
        child.send_signal(signal.SIGINT)
        assert child.wait(TIMEOUT_S) == INTERRUPTED
    assert child.stdout.lines == []
    assert child.stderr.lines == ["chatws check-client: stopped before the end"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def predictions() -> dict[str, tuple[str, str]]:
    """Return sentence and predicted result of the guide's code for each situation in the table of the page."""
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (.+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (what, result) for name, what, result in rows}


def test_page_lists_every_situation_with_its_sentence() -> None:
    listed = {name: what for name, (what, _) in predictions().items()}
    assert listed == {row.name: row.what for row in all_situations()}


async def check_node_client(folder: Path, options: Sequence[str], *program: str) -> dict[str, str]:
    """Check a client of ``tests/node``, and return the result of each situation."""
    junit = folder / "junit.xml"
    words = ("check-client", "--json", "--slack", str(SLACK), "--junit", str(junit), *options)
    done = await run_command(*words, "--", "node", str(NODE_DIR / program[0]), *program[1:])
    document = json.loads(done.stdout)
    results = {row["name"]: row["result"] for row in document["checks"]}
    code = FAILED if "fail" in results.values() else DONE
    assert (done.returncode, done.stderr) == (code, ""), done.stdout
    assert sum(document["counts"].values()) == len(results)
    suite = ET.parse(junit).getroot()[0]  # noqa: S314 - written by the command
    assert suite.get("failures") == str(document["counts"]["fail"])
    assert {f"{case.get('classname')}.{case.get('name')}" for case in suite} == {f"check-client.{n}" for n in results}
    return results


def only(names: Sequence[str], jobs: int) -> list[str]:
    """Return the options to run these situations; each job starts a client."""
    return ["--jobs", str(jobs), *(word for name in names for word in ("--only", name))]


async def test_code_of_the_guide_has_the_predicted_findings(node: NodeRunner, tmp_path: Path) -> None:
    del node  # the fixture has installed the packages
    expected = {name: predictions()[name][1].partition(":")[0] for name in PREDICTED}
    results = await check_node_client(tmp_path, only(PREDICTED, 2), "guide_client.mjs")
    assert results == expected
    assert {*results.values()} == {"pass", "fail", "not offered"}


@pytest.mark.extended
async def test_gevent_driver_passes_everywhere() -> None:
    program = (sys.executable, "-m", "tests.loadtest.checked_gevent_client")
    done = await run_command("check-client", "--json", "--jobs", "8", "--", *program)
    results = {row["name"]: row["result"] for row in json.loads(done.stdout)["checks"]}
    assert {name for name, result in results.items() if result != "pass"} == {"login.expiring", "login.expired"}


@pytest.mark.extended
@pytest.mark.timeout(600)
async def test_code_of_the_guide_has_all_predicted_findings(node: NodeRunner, tmp_path: Path) -> None:
    del node  # the fixture has installed the packages
    expected = {name: result.partition(":")[0] for name, (_, result) in predictions().items()}
    assert await check_node_client(tmp_path, ["--jobs", "8"], "guide_client.mjs") == expected


@pytest.mark.parametrize("client", ["widget", pytest.param("admin", marks=pytest.mark.extended)])
async def test_browser_client_passes_where_it_once_failed(node: NodeRunner, tmp_path: Path, client: str) -> None:
    del node  # the fixture has installed the packages
    names = ("connection.busy", "delivery.malformed", "room.rejoined")
    expected = dict.fromkeys(names, "pass")
    results = await check_node_client(tmp_path, only(names, 1), "checked_browser_client.mjs", client)
    assert results == expected


@pytest.mark.extended
@pytest.mark.parametrize("client", ["widget", "admin"])
async def test_browser_client_passes_everywhere(node: NodeRunner, tmp_path: Path, client: str) -> None:
    del node  # the fixture has installed the packages
    expected = {row.name: "pass" for row in all_situations()}
    if client == "widget":
        expected |= dict.fromkeys(("login.expiring", "login.expired"), "not offered")
    results = await check_node_client(tmp_path, ["--jobs", "8"], "checked_browser_client.mjs", client)
    assert results == expected


def example_program() -> str:
    """Return the client of the page."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(program)


async def test_example_of_the_page_prints_the_output_of_the_page(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    (tmp_path / "client.py").write_text(example_program())
    found = re.search(r"\$ chatws (check-client [^\n]*client\.py)\n(.*?)```", page, re.DOTALL)
    assert found is not None
    command, output = found.groups()
    words = [{"python": sys.executable, "client.py": str(tmp_path / "client.py")}.get(w, w) for w in command.split()]
    done = await run_command(*words)
    shown = done.stdout.replace(sys.executable, "python").replace(str(tmp_path / "client.py"), "client.py")
    assert (done.returncode, done.stderr, shown) == (FAILED, "", output)


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        (("--only", "nothing", "--", "true"), USAGE, "no situation begins with nothing"),
        (("--url-env", "A=B", "--", "true"), USAGE, "--url-env 'A=B' is not the name of a variable"),
        (("--", "/nonexistent/client"), USAGE, "/nonexistent/client cannot be started: No such file or directory"),
        (
            ("--", "echo", "no server"),
            CANNOT_CONNECT,
            f"the client did not connect, {FAULTLESS}; it has ended with exit code 0; its last output:\nno server",
        ),
    ],
    ids=["no situation", "no variable", "no program", "no connection"],
)
async def test_client_that_cannot_be_judged_ends_the_command(options: tuple[str, ...], code: int, line: str) -> None:
    done = await run_command("check-client", *options)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"chatws check-client: {line}\n")


async def test_port_in_use_ends_the_command() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await run_command("check-client", "--port", str(port))
    line = f"chatws check-client: port {port} cannot be used: Address already in use\n"
    assert (done.returncode, done.stderr) == (USAGE, line)


def test_reader_of_the_output_that_has_gone_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(example_program())
    words = ("check-client", "--only", "connection.reset", "--", sys.executable, str(tmp_path / "client.py"))
    with closing(UnreadCommand(*words, has_reader=False)) as child:
        assert (child.wait(TIMEOUT_S), child.errors) == (BROKEN_PIPE, "")


async def test_list_names_the_situations_without_a_client() -> None:
    done = await run_command("check-client", "--list", "--only", "ack")
    assert done.returncode == DONE
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        row.name for row in all_situations() if row.name.startswith("ack")
    ]
