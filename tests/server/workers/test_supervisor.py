"""Supervisor of server processes: restart, common drain, and giving up after repeated failures."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from tests.support.ports import free_port
from tests.support.workers import SupervisorProcess, is_healthy, is_running, wait_until

LOG_TIMEOUT_S = 30.0


class StartWorkers(Protocol):
    def __call__(self, count: int, **settings: object) -> SupervisorProcess: ...


@pytest.fixture
def start_workers(tmp_path: Path) -> Iterator[StartWorkers]:
    started: list[SupervisorProcess] = []

    def start(count: int, **settings: object) -> SupervisorProcess:
        started.append(SupervisorProcess(tmp_path, count, **settings))
        return started[-1]

    yield start
    for workers in started:
        workers.stop()


def try_listen(listener: socket.socket, port: int) -> bool:
    """Listen on a port if it is free; the kernel frees the port of a killed process with a delay."""
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return False
    listener.listen()
    return True


def test_killed_server_is_restarted_and_all_drain_together(start_workers: StartWorkers) -> None:
    workers = start_workers(2)
    urls = workers.urls()
    first = workers.pids()
    assert len(set(urls)) == len(set(first.values())) == 2
    os.kill(first[1], signal.SIGKILL)
    workers.log.wait_for("server_ended server=1 code=-9", LOG_TIMEOUT_S)
    wait_until(lambda: workers.pids()[1] != first[1], "the server was not restarted")
    assert workers.pids()[2] == first[2]
    assert all(is_healthy(url) for url in urls)

    workers.send(signal.SIGINT, to_group=True)  # as Ctrl-C does
    assert workers.wait_end() == 130
    for number in (1, 2):
        workers.log.wait_for(rf"drained server={number}$", LOG_TIMEOUT_S)
    assert not any(is_running(pid) for pid in workers.pids().values())


def test_servers_drain_after_the_parent_was_killed(start_workers: StartWorkers) -> None:
    workers = start_workers(2)
    workers.urls()
    pids = workers.pids()
    workers.send(signal.SIGKILL)
    workers.wait_end()
    wait_until(lambda: not any(is_running(pid) for pid in pids.values()), "a server outlived its parent")
    workers.log.wait_for(r"drained server=2$", LOG_TIMEOUT_S)


def test_second_signal_kills_a_server_that_cannot_drain(start_workers: StartWorkers) -> None:
    workers = start_workers(1)
    workers.urls()
    (pid,) = workers.pids().values()
    os.kill(pid, signal.SIGSTOP)
    workers.send(signal.SIGTERM)
    workers.log.wait_for("draining servers=1", LOG_TIMEOUT_S)
    assert is_running(pid)
    workers.send(signal.SIGTERM)
    assert workers.wait_end() == 143
    wait_until(lambda: not is_running(pid), "a server outlived the second signal")


def test_server_that_exceeds_the_drain_time_is_killed(start_workers: StartWorkers) -> None:
    workers = start_workers(1, drain_ms=300)
    workers.urls()
    os.kill(workers.pids()[1], signal.SIGSTOP)
    workers.send(signal.SIGTERM)
    assert workers.wait_end() == 143
    workers.log.wait_for("servers_killed count=1", LOG_TIMEOUT_S)
    assert not is_running(workers.pids()[1])


def test_supervisor_drains_the_others_after_repeated_failures(start_workers: StartWorkers) -> None:
    workers = start_workers(2)
    port = urlsplit(workers.urls()[0]).port
    assert port
    other = workers.pids()[2]
    with socket.socket() as blocker:
        blocker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        workers.send(signal.SIGSTOP)  # otherwise it might restart the server first
        os.kill(workers.pids()[1], signal.SIGKILL)
        wait_until(lambda: try_listen(blocker, port), "the port of a killed server stays in use")
        workers.send(signal.SIGCONT)
        assert workers.wait_end() == 1
    workers.log.wait_for(rf"server 1 \(http://127.0.0.1:{port}\): ended 3 times in a row", LOG_TIMEOUT_S)
    workers.log.wait_for(f"server_not_started server=1 why='port {port} on 127.0.0.1: is in use'", LOG_TIMEOUT_S)
    workers.log.wait_for(r"drained server=2$", LOG_TIMEOUT_S)
    assert not is_running(other)


@contextmanager
def free_port_before_used_port() -> Iterator[int]:
    """Yield a free port whose successor is in use."""
    with socket.socket() as taken:
        # The next port may belong to a connection of another process.
        while not try_listen(taken, (port := free_port()) + 1):
            pass
        yield port


def test_all_servers_end_if_one_cannot_start(start_workers: StartWorkers) -> None:
    with free_port_before_used_port() as first:
        workers = start_workers(2, port=first)
        assert workers.wait_end() == 1
    workers.log.wait_for(f"port {first + 1} on 127.0.0.1: is in use; try --port {first + 2}", LOG_TIMEOUT_S)
    assert not workers.stdout.lines
    assert not is_healthy(f"http://127.0.0.1:{first}")
