"""Fixtures: clients on gevent, and servers of other implementations for them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Protocol

import pytest

from chatws.client.gevent.transport_choice import TransportChoice
from tests.client.chat_server import ChatServer
from tests.client.gevent.recording_observer import RecordingObserver
from tests.client.gevent.server_thread import running
from tests.support.guide_server import GuideOnlyServer
from tests.support.node import NODE_DIR
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.node import NodeRunner


class OpenClient(Protocol):
    """Factory of clients."""

    def __call__(
        self, url: str, auth: dict[str, str], transport: TransportChoice = TransportChoice.WEBSOCKET
    ) -> RecordingObserver: ...


@pytest.fixture
def open_client() -> Iterator[OpenClient]:
    """Return a factory of clients that are closed after the test."""
    made: list[RecordingObserver] = []

    def make(
        url: str, auth: dict[str, str], transport: TransportChoice = TransportChoice.WEBSOCKET
    ) -> RecordingObserver:
        made.append(RecordingObserver(url, auth, transport))
        return made[-1]

    yield make
    for client in made:
        client.driver.close()


@pytest.fixture(params=["contract", "guide only"])
def stock_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A python-socketio server in a thread with its own event loop."""
    server = GuideOnlyServer() if request.param == "guide only" else ChatServer()
    with running(server):
        yield server.url


@pytest.fixture(scope="session")
def official_server(node: NodeRunner) -> Iterator[str]:
    """URL of a server of the guide's events on the official socket.io."""
    del node  # the fixture has installed the packages
    program = require_tool("node", "apt install nodejs")
    with subprocess.Popen([program, NODE_DIR / "guide_server.mjs"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{json.loads(child.stdout.readline())['port']}"
        child.kill()
