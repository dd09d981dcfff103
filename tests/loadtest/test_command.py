from __future__ import annotations

import asyncio
import csv
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from chatws_loadtest.verdict import Outcome
from tests.loadtest.command import SMALL, Loadtest
from tests.loadtest.pages import assert_agrees
from tests.support.ports import free_port

if TYPE_CHECKING:
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess

PASS, USAGE, CANNOT_CONNECT, REFUSED, INVALID, HUNG_UP, INTERRUPTED, TERMINATED = 0, 2, 3, 4, 98, 129, 130, 143


@pytest.mark.alone
async def test_bundled_server_is_started_killed_and_passes_in_two_processes(loadtest: Loadtest) -> None:
    outcome = await loadtest.run_until_valid("--scenario=reconnect", "--processes=2", *SMALL)
    assert outcome.code == PASS, outcome.stdout + outcome.stderr
    scenario = outcome.scenario
    assert [mark.what for mark in scenario.marks] == ["server killed", "server listening again", "all connections cut"]
    for metric in ("reconnect", "backoff", "rejoin"):
        assert scenario.latencies[metric].count == 2 * scenario.users
    assert scenario.numbers["unstored"] == 0
    assert scenario.balance.acked == scenario.balance.delivered == scenario.balance.sent
    assert outcome.report is not None
    assert_agrees((loadtest.folder / "report" / "report.html").read_text(), outcome.report)
    files = {path.name for path in (loadtest.folder / "report").iterdir()}
    assert {"report.json", "report.html", "junit.xml", "bench.json", "reconnect-locust-1_stats.csv"} <= files
    # Every attempt at a dead server is a failure for Locust, too.
    rows = [row for index in range(2) for row in csv_rows(loadtest, f"reconnect-locust-{index}")]
    for what, count in scenario.failures.items():
        assert sum(int(row["Failure Count"]) for row in rows if row["Name"] == what) == count


async def test_any_server_is_tested_with_its_key_and_sessions_over_rest(
    loadtest: Loadtest, shared_server: ServerProcess
) -> None:
    key = shared_server.data_dir / "secret"
    options = ("--url", shared_server.url, "--jwt-secret-file", str(key), "--scenario=steady", "--rate=1")
    outcome = await loadtest.run(*options, "--users=10", "--duration=2", "--connects=50", "--quiet", "--json")
    report = msgspec.json.decode(outcome.stdout)
    assert report["url"] == shared_server.url
    [scenario] = report["scenarios"]
    assert scenario["serverUsPerMessage"] > 0
    assert scenario["balance"]["sent"] == scenario["balance"]["delivered"] > 0
    for metric in ("connect", "transport", "namespace", "authenticated", "joined"):
        assert scenario["latencies"][metric]["count"] == 10
    assert "backoff" not in scenario["latencies"]
    for row in csv_rows(loadtest, "steady-locust"):
        if row["Name"] != "Aggregated":
            assert int(row["Request Count"]) == scenario["latencies"][row["Name"]]["count"]
    assert scenario["unchecked"] == []
    assert scenario["failures"] == {}


async def test_server_that_limits_rates_makes_a_run_invalid_with_advice(
    loadtest: Loadtest, start_server: StartServer
) -> None:
    server = start_server("--set", "send_burst=2", "--set", "send_per_s=0.1")
    key = server.data_dir / "secret"
    options = ("--url", server.url, "--jwt-secret-file", str(key), "--scenario=steady", "--rate=40")
    outcome = await loadtest.run(*options, "--users=2", "--duration=2", "--warmup=0", "--drain=0", "--quiet")
    assert outcome.scenario.health.rate_limited > 0
    assert "chatws serve --limits off" in outcome.stdout


async def test_nobody_listening_says_so(loadtest: Loadtest) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    outcome = await loadtest.run("--url", url, *loadtest.people(1), "--users=2", "--quiet")
    assert outcome.code == CANNOT_CONNECT
    assert "Connection refused" in outcome.stderr


async def test_refused_credentials_say_so(loadtest: Loadtest, shared_server: ServerProcess) -> None:
    outcome = await loadtest.run("--url", shared_server.url, *loadtest.people(1), "--users=2", "--quiet")
    assert outcome.code == REFUSED
    assert "credentials" in outcome.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--target", "message.p95<fast"), "is no target"),
        (("--scenario", "nonsense"), "there is no scenario 'nonsense'"),
        (("--scenario", "steady", "--target", "reconnect.p95<1s"), "none of steady measures that"),
        (("--url", "http://93.184.216.34"), "--allow-remote"),
        (("--url", "example", "--allow-remote"), "no address of a server"),
        (("--url", "http://127.0.0.1:99999"), "no address of a server"),
        (("--url", "http://[::1"), "no address of a server"),
        (("--tokens", "/nowhere/tokens"), "/nowhere/tokens: No such file or directory"),
        (("--compare", "/nowhere/report.json"), "is no report"),
        (("--report", "/dev/null/report"), "--report /dev/null/report cannot be used"),
        (("--users", "0"), "--users"),
    ],
)
async def test_mistake_is_named_before_anything_is_started(
    loadtest: Loadtest, options: tuple[str, ...], words: str
) -> None:
    outcome = await loadtest.run(*options)
    assert (outcome.code, outcome.report) == (USAGE, None)
    assert words in outcome.stderr


async def test_interrupted_run_writes_a_partial_report_and_leaves_no_process_behind(loadtest: Loadtest) -> None:
    child = await loadtest.start("--scenario=steady", "--users=10", "--rate=5", "--duration=60", "--warmup=0")
    await read_until(child, b"measuring")
    started = descendants(child.pid)
    assert len(started) >= 2
    child.send_signal(signal.SIGINT)
    outcome = await loadtest.finish(child)
    assert outcome.code == INTERRUPTED
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]  # noqa: ASYNC240 - the kernel answers at once
    assert outcome.report is not None
    assert (outcome.report.partial, outcome.report.outcome) == (True, Outcome.INVALID)
    assert outcome.scenario.partial
    assert outcome.scenario.duration_s < 60
    assert outcome.scenario.balance.acked == outcome.scenario.balance.sent
    assert "INVALID, partial" in (loadtest.folder / "report" / "report.html").read_text()
    assert "result: INVALID, partial" in outcome.stdout


@pytest.mark.usefixtures("attended")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, TERMINATED), (signal.SIGHUP, HUNG_UP)])
async def test_run_ended_before_anybody_talked_has_no_report_and_leaves_no_process_behind(
    loadtest: Loadtest, number: signal.Signals, code: int
) -> None:
    child = await loadtest.start("--scenario=steady", "--users=200", "--connects=1")
    await read_until(child, b"connecting")
    started = descendants(child.pid)
    child.send_signal(number)
    outcome = await loadtest.finish(child)
    assert (outcome.code, outcome.report) == (code, None)
    assert "there is no result" in outcome.stderr
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]  # noqa: ASYNC240 - the kernel answers at once


async def test_run_whose_load_process_is_killed_ends_at_once_and_says_nothing(loadtest: Loadtest) -> None:
    child = await loadtest.start("--scenario=steady", "--users=4", "--duration=60", "--warmup=0")
    await read_until(child, b"measuring")
    [load] = [pid for pid in descendants(child.pid) if is_load_process(pid)]
    os.kill(load, signal.SIGKILL)
    outcome = await loadtest.finish(child)
    assert (outcome.code, outcome.missed) == (INVALID, [])
    assert outcome.scenario.partial
    assert outcome.scenario.duration_s < 60
    assert "1 of the load's processes ended early" in outcome.stdout


async def read_until(child: asyncio.subprocess.Process, word: bytes) -> None:
    """Read what a command says until it says this."""
    assert child.stderr is not None
    while word not in (line := await child.stderr.readline()):
        assert line, "it ended without a word"


def is_load_process(pid: int) -> bool:
    return b"chatws_loadtest.locust_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()


def csv_rows(loadtest: Loadtest, prefix: str) -> list[dict[str, str]]:
    """Read the statistics that Locust wrote."""
    with (loadtest.folder / "report" / f"{prefix}_stats.csv").open() as file:
        return list(csv.DictReader(file))


def descendants(pid: int) -> list[int]:
    """Give the processes that a process has started, and theirs."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [grandchild for child in children for grandchild in descendants(child)]
