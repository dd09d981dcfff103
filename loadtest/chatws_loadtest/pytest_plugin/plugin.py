"""Fixtures and options of the plugin; nothing but pytest is imported until a test uses one of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from chatws_loadtest.pytest_plugin.blocking_client import BlockingFactory
    from chatws_loadtest.pytest_plugin.client_factory import ClientFactory
    from chatws_loadtest.pytest_plugin.loop_thread import LoopThread
    from chatws_loadtest.pytest_plugin.network_faults import NetworkFaults
    from chatws_loadtest.pytest_plugin.target_server import LocalServer, RemoteServer
    from chatws_loadtest.results import Report
    from chatws_loadtest.scenario_file import PlayReport

OPTIONS: Final = {
    "url": "URL of a server to test, instead of one that the tests start",
    "jwt_secret_file": "key that the tokens of that server are signed with (HS256)",
    "tokens": "file of agents' tokens for that server, one per line",
    "sessions": "file of customers for that server: SESSION [CONVERSATION] per line",
    "mapping": "names of that server's events for scenario files (TOML)",
}
"""Options of the command line (``--chatws-url``) and of the ini file (``chatws_url``)."""
TARGET: Final = pytest.StashKey["LocalServer | RemoteServer"]()
"""Key of the server of a test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("chatws", "chat server for tests")
    for name, text in OPTIONS.items():
        group.addoption(f"--chatws-{name.replace('_', '-')}", metavar="URL" if name == "url" else "FILE", help=text)
        parser.addini(f"chatws_{name}", text, default="")
    parser.addini("chatws_options", "options of `chatws serve` for the server that the tests start", "args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "chatws_options(*options): options of `chatws serve` for the test's own server, chatws_fresh_server"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the server logged during a failed test to the report."""
    report = yield
    if (
        report.failed
        and report.when == "call"
        and (server := item.stash.get(TARGET, None))
        and (log := server.read_log())
    ):
        report.sections.append(("Log of the chat server", log))
    return report


def _option(config: pytest.Config, name: str) -> str:
    value: str = config.getoption(f"chatws_{name}") or config.getini(f"chatws_{name}")
    return value


@pytest.fixture(scope="session")
def chatws_server(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer | RemoteServer]:
    """Chat server shared by all tests; a test may kill it, and it runs again before the next one."""
    from chatws_loadtest.pytest_plugin.target_server import LocalServer, RemoteServer  # noqa: PLC0415  see above

    server: LocalServer | RemoteServer
    if url := _option(pytestconfig, "url"):
        files = (_option(pytestconfig, name) for name in ("jwt_secret_file", "tokens", "sessions"))
        server = RemoteServer(url, *(pytestconfig.rootpath / file if file else None for file in files))
    else:
        server = LocalServer(tmp_path_factory.mktemp("chatws"), pytestconfig.getini("chatws_options"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def chatws_fresh_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """Chat server with an empty database for one test; the marker `chatws_options` adds options."""
    from chatws_loadtest.pytest_plugin.target_server import LocalServer  # noqa: PLC0415  see above

    marker = request.node.get_closest_marker("chatws_options")
    options = marker.args if marker else ()
    server = LocalServer(tmp_path_factory.mktemp("chatws"), [*request.config.getini("chatws_options"), *options])
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _chatws_loop() -> Iterator[LoopThread]:
    """Event loop for blocking clients and for proxies."""
    from chatws_loadtest.pytest_plugin.loop_thread import LoopThread  # noqa: PLC0415  see above

    with LoopThread() as loop:
        yield loop


@pytest.fixture
def _chatws_target(request: pytest.FixtureRequest) -> LocalServer | RemoteServer:
    """Server of the test: its own one if it has one, else the shared one."""
    name = "chatws_fresh_server" if "chatws_fresh_server" in request.fixturenames else "chatws_server"
    server: LocalServer | RemoteServer = request.getfixturevalue(name)
    server.ensure_running()
    server.read_log()  # up to here, it is that of earlier tests
    request.node.stash[TARGET] = server
    return server


@pytest.fixture
def network(_chatws_target: LocalServer | RemoteServer, _chatws_loop: LoopThread) -> Iterator[NetworkFaults]:
    """Network between the test's clients and the server: ``cut``, ``outage``, ``delay``, ``freeze``, ``thaw``."""
    from urllib.parse import urlsplit  # noqa: PLC0415  see above

    from chatws_loadtest.proxy import FaultProxy  # noqa: PLC0415
    from chatws_loadtest.pytest_plugin.network_faults import NetworkFaults  # noqa: PLC0415

    parts = urlsplit(_chatws_target.url)
    if parts.scheme != "http":
        pytest.fail("the fixture `network` needs a server without TLS: name an http URL")
    proxy = FaultProxy(parts.hostname or "", parts.port or 80)
    _chatws_loop.run(proxy.__aenter__())
    yield NetworkFaults(proxy, _chatws_loop)
    _chatws_loop.run(proxy.__aexit__())


@pytest.fixture
def _chatws_clients(
    request: pytest.FixtureRequest, _chatws_target: LocalServer | RemoteServer, _chatws_loop: LoopThread
) -> Iterator[ClientFactory | BlockingFactory]:
    from chatws_loadtest.pytest_plugin.blocking_client import BlockingFactory  # noqa: PLC0415  see above
    from chatws_loadtest.pytest_plugin.client_factory import ClientFactory  # noqa: PLC0415

    url = request.getfixturevalue("network").url if "network" in request.fixturenames else _chatws_target.url
    factory = ClientFactory(_chatws_target, url)
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        _close_after(request.node, factory)
        yield factory
    else:
        yield BlockingFactory(factory, _chatws_loop)
        _chatws_loop.run(factory.close())


def _close_after(item: Any, factory: ClientFactory) -> None:  # noqa: ANN401  pytest.Function, whose obj may be replaced
    """Disconnect the clients within the loop of the test, which has ended when fixtures are torn down."""
    test = item.obj

    @functools.wraps(test)
    async def run_and_close(*args: object, **kwargs: object) -> None:
        try:
            await test(*args, **kwargs)
        finally:
            await factory.close()

    item.obj = run_and_close


@pytest.fixture
def agent(_chatws_clients: ClientFactory | BlockingFactory) -> Callable[..., Any]:
    """Connects an agent: ``agent(name=None, join=conversation_or_client)``; to be awaited in a coroutine."""
    return _chatws_clients.agent


@pytest.fixture
def customer(_chatws_clients: ClientFactory | BlockingFactory) -> Callable[..., Any]:
    """Connects a new customer, who joins a conversation: ``customer(name=None)``; to be awaited in a coroutine."""
    return _chatws_clients.customer


@pytest.fixture
def loadtest(_chatws_target: LocalServer | RemoteServer) -> Callable[..., Report]:
    """Runs ``chatws loadtest`` on the test's server: ``loadtest("--users", "20")`` returns its report."""
    from chatws_loadtest import testing  # noqa: PLC0415  see above

    return functools.partial(testing.loadtest, *_chatws_target.credential_options())


@pytest.fixture
def scenario(
    request: pytest.FixtureRequest, _chatws_target: LocalServer | RemoteServer, _chatws_loop: LoopThread
) -> Callable[..., Any]:
    """Plays a scenario file on the test's server: ``scenario("talk.yaml")``; to be awaited in a coroutine."""
    from chatws_loadtest.pytest_plugin.scenario_player import ScenarioPlayer  # noqa: PLC0415  see above

    mapping = _option(request.config, "mapping")
    player = ScenarioPlayer(
        _chatws_target, request.path.parent, mapping=request.config.rootpath / mapping if mapping else None
    )
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        return player.play

    def play(file: str) -> PlayReport:
        __tracebackhide__ = True
        return _chatws_loop.run(player.play(file))

    return play
