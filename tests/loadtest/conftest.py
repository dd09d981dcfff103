"""Fixtures for the tests of the load test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.loadtest.command import LoadtestCommand

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def loadtest(tmp_path: Path) -> LoadtestCommand:
    """``chatws loadtest`` in the test's folder."""
    return LoadtestCommand(tmp_path)
