"""Fixtures of the load test's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.loadtest.command import Loadtest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def loadtest(tmp_path: Path) -> Loadtest:
    """Run ``chatws loadtest``."""
    return Loadtest(tmp_path)
