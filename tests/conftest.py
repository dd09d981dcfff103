"""Fixtures shared by every part: the real server as a process, the official client on Node."""

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


# A property holds or not, however long one example took on a busy machine.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def attended() -> Iterator[None]:
    """Have children hear of a closed terminal, also where these tests were started by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class StartServer(Protocol):
    """Starts a server with more ``chatws serve`` options; it ends with the test."""

    def __call__(self, *options: str, data_dir: Path | None = None) -> ServerProcess: ...


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start any number of real servers, each with a data directory of its own unless the test names one."""
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
    """One real server with the default settings."""
    return start_server()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One real server for all tests that leave it running and use conversations of their own: it starts only once."""
    # All come from one address, and many with wrong credentials.
    server = ServerProcess(tmp_path_factory.mktemp("shared-server"), "--set", "login_failures_per_minute=1000")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests, which leave it running and use databases of their own."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for the tests that leave it running, under prefixes of their own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed, stopped and emptied."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def node() -> NodeRunner:
    """Run scenarios of ``tests/node`` with the official JavaScript client."""
    runner = NodeRunner(require_tool("node", "apt install nodejs"))
    install_packages(require_tool("npm", "apt install npm"))
    return runner
