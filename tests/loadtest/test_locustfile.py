from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.chatlog.reader import read_chatlog
from chatws_loadtest.chatlog.records import OpenRecord, OutRecord
from tests.loadtest.locust_process import LocustProcess
from tests.loadtest.starvation import children_of
from tests.support.ports import free_port
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

LOCUST = Path(sys.executable).with_name("locust")
SPEC = find_spec("chatws_loadtest")
assert SPEC is not None
assert SPEC.origin is not None
LOCUSTFILE = Path(SPEC.origin).parent / "locust_worker" / "locustfile.py"
PASS, USAGE, INVALID = 0, 2, 98


async def test_packaged_locustfile_runs_with_master_and_workers_and_records_all_traffic_in_one_file(
    shared_server: ServerProcess, tmp_path: Path
) -> None:
    file, port = tmp_path / "load.chatlog", free_port()
    master = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
    load = ("-u", "8", "-r", "8", "--message-rate", "3", "--chatlog", file)
    key = ("--jwt-secret-file", shared_server.data_dir / "secret")
    child = await asyncio.create_subprocess_exec(
        *map(str, (LOCUST, "-f", LOCUSTFILE, "--headless", "--host", shared_server.url, *key, *master, *load)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert child.stdout is not None
    ledger, output = await read_ledger(child.stdout, child.terminate, least_acks=40)
    assert await child.wait() == PASS, output
    assert ledger["sent"] == ledger["acked"] == ledger["delivered"]
    assert ledger["acked"] >= ledger["shown by Locust"] > 0
    assert ledger["unanswered"] == ledger["lost"] == ledger["gaps"] == 0
    log = read_chatlog(file)
    assert not log.is_cut
    assert [record.t for record in log.records] == sorted(record.t for record in log.records)
    opened = [record.c for record in log.records if isinstance(record, OpenRecord)]
    assert len(set(opened)) == len(opened) == 8
    sent = [record for record in log.records if isinstance(record, OutRecord) and record.event == "send_message"]
    assert len(sent) == ledger["sent"]
    # Even and odd numbers: each worker has two of the rooms.
    assert sorted(int(room[1:]) % 2 for room in {record.room for record in sent}) == [0, 0, 1, 1]
    assert names_in(tmp_path) == ["load.chatlog"]


async def test_traffic_of_one_process_is_recorded(shared_server: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "load.chatlog"
    options = ("-u", "2", "-r", "2", "--jwt-secret-file", shared_server.data_dir / "secret", "--chatlog", file)
    ledger = await locust(0, "--headless", "--host", shared_server.url, *options)
    names = [record.event for record in read_chatlog(file).records if isinstance(record, OutRecord)]
    assert names.count("send_message") == ledger["sent"]


async def test_worker_on_another_machine_refuses_to_record(shared_server: ServerProcess, tmp_path: Path) -> None:
    file, boot_id, port = tmp_path / "locustfile.py", tmp_path / "boot_id", free_port()
    boot_id.write_text("another machine")
    file.write_text(f"""
from pathlib import Path
from locust import events
from locust.runners import WorkerRunner
from chatws_loadtest.locust_worker import locust_chatlog
from chatws_loadtest.locust_worker.locustfile import ScheduledLocustUser

def move(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        locust_chatlog.BOOT_ID = Path({str(boot_id)!r})

events.init.add_listener(move)
""")
    master = ("--processes", "1", "--master-bind-port", port, "--master-port", port)
    options = ("-u", "2", "-t", "2s", "--chatlog", tmp_path / "x.chatlog", *master)
    key = ("--jwt-secret-file", shared_server.data_dir / "secret")
    async with start_locust("--headless", "--host", shared_server.url, *key, *options, file=file) as child:
        output = (await child.stdout.read()).decode()
        assert await child.wait() != PASS
    assert "--chatlog needs all workers on the machine of the master: other clocks differ" in output
    assert "Traceback" not in output


async def test_locust_is_invalid_without_the_ledger_of_a_worker(shared_server: ServerProcess) -> None:
    key, port = shared_server.data_dir / "secret", free_port()
    master = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
    options = (*master, "-u", "4", "-r", "4", "--jwt-secret-file", key)
    output = b""
    async with start_locust("--headless", "--host", shared_server.url, *options) as child:
        async for line in child.stdout:
            output += line
            if re.match(rb"chat +ack +[1-9]", line) and b"killed" not in output:
                workers = children_of(child.pid)
                assert workers
                os.kill(workers[0], signal.SIGKILL)
                child.terminate()
                output += b"killed a worker\n"
        assert await child.wait() == INVALID, output.decode()
    assert b"1 of 2 workers sent no ledger" in output


async def test_users_have_the_habits_of_a_profile(shared_server: ServerProcess, tmp_path: Path) -> None:
    profile = tmp_path / "talk.yaml"
    profile.write_text("people: {anna: agent, ben: customer}\nsteps: [ben: {send: Hi}]\nload: {room: 3, rate: 4}\n")
    options = ("-u", "6", "-r", "6", "--jwt-secret-file", shared_server.data_dir / "secret", "--load-profile", profile)
    ledger = await locust(0, "--headless", "--host", shared_server.url, *options)
    assert ledger["sent"] == ledger["acked"] > 0
    assert ledger["delivered"] == 2 * ledger["acked"]


async def test_measurements_that_only_a_capacity_search_reads_do_not_accumulate(
    shared_server: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "locustfile.py"
    file.write_text("""
import gevent
from locust import events
from chatws_loadtest.locust_worker.locustfile import ScheduledLocustUser
from chatws_loadtest.locust_worker.self_stats import STATS_INTERVAL_S

def show(environment, **_):
    environment.runner.quit()
    gevent.sleep(2 * STATS_INTERVAL_S)
    print("left:", ScheduledLocustUser.pool.shared.ledger.samples.take())

events.quitting.add_listener(show)
""")
    options = ("-u", "2", "-r", "2", "--jwt-secret-file", shared_server.data_dir / "secret")
    output, has_acks = b"", False
    async with start_locust("--headless", "--host", shared_server.url, *options, file=file) as child:
        async for line in child.stdout:
            output += line
            if re.match(rb"chat +ack +[1-9]", line) and not has_acks:
                has_acks = True
                child.terminate()
        assert b"left: {}" in output, output.decode()
        assert await child.wait() == PASS


async def test_locust_is_invalid_without_any_message(shared_server: ServerProcess) -> None:
    key = shared_server.data_dir / "secret"
    options = ("-u", "1", "-t", "1s", "--jwt-secret-file", key)
    assert await locust(INVALID, "--headless", "--host", shared_server.url, *options) == {}


async def test_locust_ends_without_credentials(shared_server: ServerProcess) -> None:
    assert await locust(USAGE, "--headless", "--host", shared_server.url, "-u", "2", "-t", "1m") == {}


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--target", "fast", "'fast' is not a threshold"),
        ("--load-profile", "stages.yaml", "stages.yaml has stages, which only chatws loadtest runs"),
        ("--load-profile", "missing.yaml", "missing.yaml: No such file"),
        ("--chatlog", "missing/x.chatlog", "missing/x.chatlog cannot be written: No such file or directory"),
    ],
)
async def test_locust_refuses_an_invalid_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    stages = "load: {stages: [{users: 4, for: 1s}]}"
    (tmp_path / "stages.yaml").write_text(f"people: {{ben: customer}}\nsteps: [ben: {{send: Hi}}]\n{stages}\n")
    async with start_locust("--headless", "--host", "http://127.0.0.1:9", "-t", "1m", option, value) as child:
        output = (await child.stdout.read()).decode()
        assert problem in output
        assert "Traceback" not in output
        assert await child.wait() == USAGE


@pytest.mark.extended
async def test_locust_searches_for_the_capacity_with_its_workers(tmp_path: Path) -> None:
    server, port = ServerProcess(tmp_path / "server", "--set", "connections=5"), free_port()
    await asyncio.to_thread(server.start)
    try:
        master = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
        load = ("--scenario", "capacity", "-u", "24", "-r", "20", "--message-rate", "4", "--step-seconds", "1")
        options = ("--headless", "--host", server.url, "--jwt-secret-file", server.data_dir / "secret", *master, *load)
        async with start_locust(*options, "--target", "message.p95<5s", "--exit-code-on-error", "0") as child:
            output = (await child.stdout.read()).decode()
            code = await child.wait()
    finally:
        await asyncio.to_thread(server.stop)
    # Two workers with three users each: one of them has a user without a connection.
    assert "capacity: 5 connections; the server kept no more: the server answered HTTP/1.1 503" in output, output
    assert code == PASS, output


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def start_locust(*options: object, file: Path = LOCUSTFILE) -> LocustProcess:
    """Start Locust with an open standard output, in a process that begins with its modules imported."""
    return LocustProcess(("-f", str(file), *map(str, options)))


async def locust(expected: int, *options: object) -> dict[str, int]:
    """Run Locust on the packaged file until messages were acked, and return the ledger that it prints.

    The result includes Locust's own count of acks; it is empty if the command ends before any message was sent.
    """
    async with start_locust(*options) as child:
        ledger, output = await read_ledger(child.stdout, child.terminate)
        assert await child.wait() == expected, output
    return ledger


async def read_ledger(
    stdout: asyncio.StreamReader, terminate: Callable[[], None], least_acks: int = 1
) -> tuple[dict[str, int], str]:
    """Read the output to its end, terminate Locust once it shows enough acks, and return the ledger and the output."""
    ledger: dict[str, int] = {}
    output = b""
    async for line in stdout:
        output += line
        shown = re.match(rb"chat +ack +([1-9]\d*)", line)
        if shown and int(shown[1]) >= least_acks:
            if "shown by Locust" not in ledger:
                terminate()
            ledger["shown by Locust"] = int(shown[1])
        if b"ledger: " in line:
            ledger |= json.loads(line.partition(b"ledger: ")[2])
    return ledger, output.decode()
