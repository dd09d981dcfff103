"""Fixtures shared by all tests: server processes, databases, and the official client on Node.js."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import settings

from tests.support.node import NodeRunner, install_packages
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.server import ServerProcess
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# No deadline per example: on a busy machine an example may take any time.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture
def default_sighup() -> Iterator[None]:
    """Restore the default action of SIGHUP for child processes, also if nohup started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class StartServer(Protocol):
    """Starts a server with additional ``chatws serve`` options; it is stopped after the test."""

    def __call__(self, *options: str, data_dir: Path | None = None) -> ServerProcess: ...


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start real servers, each with its own data directory unless the test names one."""
    servers: list[ServerProcess] = []

    def start(*options: str, data_dir: Path | None = None) -> ServerProcess:
        server = ServerProcess(data_dir or tmp_path / f"server-{len(servers)}", *options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(start_server: StartServer) -> ServerProcess:
    """Real server with the default settings."""
    return start_server()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Real server shared by the tests that leave it running and use conversations of their own."""
    # All tests connect from one address, many with invalid credentials.
    server = ServerProcess(tmp_path_factory.mktemp("shared-server"), "--set", "login_failures_per_minute=1000")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """PostgreSQL shared by the tests that leave it running and use databases of their own."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Redis shared by the tests that leave it running and use key prefixes of their own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Redis of one test, which may kill, freeze or empty it."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def node() -> NodeRunner:
    """Runner of the scenarios in ``tests/node`` with the official JavaScript client."""
    runner = NodeRunner(require_tool("node", "apt install nodejs"))
    install_packages(require_tool("npm", "apt install npm"))
    return runner
