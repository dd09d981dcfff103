"""Fixtures shared by all tests: server processes, databases, and the official client on Node.js."""

from __future__ import annotations

import gc
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it has no types

from chatws_loadtest import server_process
from tests.support.forked_child import start_forked
from tests.support.node import NodeRunner, install_packages
from tests.support.postgres import PostgresServer
from tests.support.preloaded import send_request
from tests.support.redis import RedisServer
from tests.support.server import ServerProcess
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent

# No deadline per example: on a busy machine an example may take any time. Each run draws other examples.
settings.register_profile("chatws", deadline=None, max_examples=40)
settings.load_profile("chatws")

LONG_DIRECTORIES = ("cluster", "web", "cli", "e2e", "loadtest", "benchmarks")
"""Directories with the longest files. They start first: a long file that starts last leaves a processor idle.

``web`` is run by one worker. The many files of ``cli`` are between the tests of ``cluster`` and ``e2e`` that occupy a
processor each.
"""


class BrowserScheduling(LoadFileScheduling):  # type: ignore[misc]  # its base has no types
    """Distribution of files to the workers of xdist, with all files of ``tests/web`` to the same one.

    Otherwise each worker would start a Chromium of its own.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "tests/web" if file.startswith("tests/web/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BrowserScheduling | None:
    """Replace the scheduler of ``--dist loadfile``."""
    return BrowserScheduling(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the long directories to the front."""
    order = {TESTS / name: number for number, name in enumerate(LONG_DIRECTORIES)}
    items.sort(key=lambda item: min(order.get(parent, len(order)) for parent in item.path.parents))


def pytest_collection_finish() -> None:
    """Exclude everything imported and collected, some hundred thousand objects, from garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def collect_garbage() -> Iterator[None]:
    """Collect garbage after each file, so that a socket left open by its tests fails one of them and not another file.

    After each test it would take a minute of processor time in all.
    """
    yield
    gc.collect()


@pytest.fixture
def fork_bundled_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the servers that benchmarks start, instead of executing them."""
    monkeypatch.setattr(server_process, "start_process", partial(start_forked, send_request))


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
