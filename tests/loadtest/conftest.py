"""Fixtures for the tests of the load test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.loadtest.command import LoadtestCommand
from tests.support.node import NODE_DIR, NodeRunner

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def loadtest(tmp_path: Path) -> LoadtestCommand:
    """``chatws loadtest`` in the test's folder."""
    return LoadtestCommand(tmp_path)


@pytest.fixture(scope="module")
def node_server(node: NodeRunner) -> Iterator[str]:
    """URL of a server of the guide's events on the official socket.io."""
    with subprocess.Popen([node.program, NODE_DIR / "guide_server.mjs"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = json.loads(child.stdout.readline())["port"]
        yield f"http://127.0.0.1:{port}"
        child.kill()
