from __future__ import annotations

import csv
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from chatws_loadtest.verdict import Outcome
from tests.loadtest.command import LENIENT_TARGETS, SMALL, LoadtestCommand, read_until
from tests.loadtest.pages import assert_agrees
from tests.loadtest.starvation import wait_for_load_processes
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import StartServer
    from tests.support.server import ServerProcess

PASS, USAGE, CANNOT_CONNECT, REFUSED, INVALID, HUNG_UP, INTERRUPTED, TERMINATED = 0, 2, 3, 4, 98, 129, 130, 143


@pytest.mark.timeout(300)  # up to three runs
async def test_bundled_server_is_started_killed_and_passes_in_two_processes(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(LENIENT_TARGETS)
    result = await loadtest.run_until_valid("--scenario=reconnect", "--processes=2", *SMALL, "--rate=1")
    assert result.code == PASS, result.stdout + result.stderr
    scenario = result.scenario
    assert [mark.what for mark in scenario.marks] == ["server killed", "server listening again", "all connections cut"]
    for metric in ("reconnect", "backoff", "rejoin"):
        assert scenario.latencies[metric].count == 2 * scenario.users
    assert scenario.numbers["unstored"] == 0
    assert scenario.balance.acked == scenario.balance.delivered == scenario.balance.sent
    assert result.report is not None
    assert_agrees((loadtest.folder / "report" / "report.html").read_text(), result.report)
    files = {path.name for path in (loadtest.folder / "report").iterdir()}
    assert {"report.json", "report.html", "junit.xml", "bench.json", "reconnect-locust-1_stats.csv"} <= files
    # Locust counts every failed connection attempt as well.
    rows = [row for index in range(2) for row in csv_rows(loadtest, f"reconnect-locust-{index}")]
    for what, count in scenario.failures.items():
        assert sum(int(row["Failure Count"]) for row in rows if row["Name"] == what) == count


async def test_any_server_is_tested_with_its_key_and_sessions_over_rest(
    loadtest: LoadtestCommand, shared_server: ServerProcess
) -> None:
    options = (*options_of(shared_server), "--scenario=steady", "--rate=1")
    result = await loadtest.run(*options, "--users=10", "--duration=2", "--connects=50", "--quiet", "--json")
    report = msgspec.json.decode(result.stdout)
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


async def test_server_with_rate_limits_makes_a_run_invalid_with_advice(
    loadtest: LoadtestCommand, start_server: StartServer
) -> None:
    server = start_server("--set", "send_burst=2", "--set", "send_per_s=0.1")
    options = (*options_of(server), "--scenario=steady", "--rate=40")
    result = await loadtest.run(*options, "--users=2", "--duration=2", "--warmup=0", "--drain=0", "--quiet")
    assert result.scenario.health.rate_limited > 0
    assert "chatws serve --limits off" in result.stdout


async def test_refused_connection_is_reported(loadtest: LoadtestCommand) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = await loadtest.run("--url", url, *loadtest.make_credentials(1), "--users=2", "--quiet")
    assert result.code == CANNOT_CONNECT
    assert "Connection refused" in result.stderr


async def test_refused_credentials_are_reported(loadtest: LoadtestCommand, shared_server: ServerProcess) -> None:
    result = await loadtest.run("--url", shared_server.url, *loadtest.make_credentials(1), "--users=2", "--quiet")
    assert result.code == REFUSED
    assert "credentials" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--target", "message.p95<fast"), "is not a threshold"),
        (("--scenario", "nonsense"), "there is no scenario 'nonsense'"),
        (("--scenario", "steady", "--target", "reconnect.p95<1s"), "none of steady measures that"),
        (("--url", "http://93.184.216.34"), "--allow-remote"),
        (("--url", "example", "--allow-remote"), "is not the URL of a server"),
        (("--url", "http://127.0.0.1:99999"), "is not the URL of a server"),
        (("--url", "http://[::1"), "is not the URL of a server"),
        (("--tokens", "/nowhere/tokens"), "/nowhere/tokens: No such file or directory"),
        (("--compare", "/nowhere/report.json"), "is not a report"),
        (("--report", "/dev/null/report"), "--report /dev/null/report cannot be used"),
        (("--summary", "/nowhere/summary.md"), "/nowhere/summary.md cannot be written to"),
        (("--users", "0"), "--users"),
        (("--warmup", "nan"), "nan is not a finite number"),
        (("--duration", "inf"), "inf is not a finite number"),
        (("trend", "/dev"), "--targets has no effect on trend"),
    ],
)
async def test_usage_error_is_reported_before_anything_is_started(
    loadtest: LoadtestCommand, options: tuple[str, ...], words: str
) -> None:
    result = await loadtest.run(*options)
    assert (result.code, result.report) == (USAGE, None)
    assert words in result.stderr


async def test_interrupted_run_writes_a_partial_report_and_leaves_no_process_behind(loadtest: LoadtestCommand) -> None:
    child = await loadtest.start("--scenario=steady", "--users=10", "--rate=5", "--duration=60", "--warmup=0")
    await read_until(child, "measuring")
    started = {*await wait_for_load_processes(child.pid), *processes_with_files_in(loadtest.folder)}
    assert len(started) == 2
    child.send_signal(signal.SIGINT)
    result = await loadtest.finish(child)
    assert result.code == INTERRUPTED
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]  # noqa: ASYNC240 - the kernel answers at once
    assert result.report is not None
    assert (result.report.partial, result.report.outcome) == (True, Outcome.INVALID)
    assert result.scenario.partial
    assert result.scenario.duration_s < 60
    assert result.scenario.balance.acked == result.scenario.balance.sent
    assert "INVALID, partial" in (loadtest.folder / "report" / "report.html").read_text()
    assert "result: INVALID, partial" in result.stdout


@pytest.mark.usefixtures("default_sighup")
@pytest.mark.parametrize(
    ("number", "code", "is_bundled"),
    [(signal.SIGTERM, TERMINATED, True), (signal.SIGHUP, HUNG_UP, False)],
    ids=["SIGTERM with the bundled server", "SIGHUP with another server"],
)
async def test_run_ended_while_connecting_has_no_report_and_leaves_no_process_behind(
    loadtest: LoadtestCommand, shared_server: ServerProcess, number: signal.Signals, code: int, is_bundled: bool
) -> None:
    server = () if is_bundled else options_of(shared_server)
    child = await loadtest.start("--scenario=steady", "--users=200", "--connects=1", *server)
    await read_until(child, "connecting")
    started = {*await wait_for_load_processes(child.pid), *processes_with_files_in(loadtest.folder)}
    assert len(started) == (2 if is_bundled else 1)
    child.send_signal(number)
    result = await loadtest.finish(child)
    assert (result.code, result.report) == (code, None)
    assert "there is no result" in result.stderr
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]  # noqa: ASYNC240 - the kernel answers at once


async def test_run_whose_load_process_is_killed_ends_at_once_as_invalid(
    loadtest: LoadtestCommand, shared_server: ServerProcess
) -> None:
    load = ("--scenario=steady", "--users=4", "--duration=60", "--warmup=0")
    child = await loadtest.start(*load, *options_of(shared_server))
    await read_until(child, "measuring")
    [load_process] = await wait_for_load_processes(child.pid)
    os.kill(load_process, signal.SIGKILL)
    result = await loadtest.finish(child)
    assert (result.code, result.missed) == (INVALID, [])
    assert result.scenario.partial
    assert result.scenario.duration_s < 60
    assert "1 of the load processes ended early" in result.stdout


async def test_scenarios_before_the_end_of_the_server_are_reported(
    loadtest: LoadtestCommand, start_server: StartServer
) -> None:
    server = start_server("--limits", "off")
    load = ("--users=4", "--duration=3", "--warmup=0", "--drain=1")
    child = await loadtest.start("--scenario=steady", "--scenario=reconnect", *load, *options_of(server))
    await read_until(child, "measuring")
    server.kill()
    result = await loadtest.finish(child)
    assert result.code == CANNOT_CONNECT, result.stdout + result.stderr
    assert result.stderr.splitlines()[-1] == ("reconnect was not run: POST /api/sessions failed: Connection refused")
    assert result.report is not None
    assert (result.report.partial, [row.scenario for row in result.report.scenarios]) == (True, ["steady"])


def options_of(server: ServerProcess) -> tuple[str, ...]:
    """Return the options that name a server and its key."""
    return ("--url", server.url, "--jwt-secret-file", str(server.data_dir / "secret"))


def csv_rows(loadtest: LoadtestCommand, prefix: str) -> list[dict[str, str]]:
    """Read Locust's CSV file of statistics."""
    with (loadtest.folder / "report" / f"{prefix}_stats.csv").open() as file:
        return list(csv.DictReader(file))


def processes_with_files_in(folder: Path) -> set[int]:
    """Return the processes that have opened a file in a folder, such as the bundled server its log."""
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return {int(path.name) for path in processes if any(file.is_relative_to(folder) for file in open_files(path))}


def open_files(process: Path) -> Iterator[Path]:
    # The process or a descriptor may be gone.
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                yield descriptor.readlink()
