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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A load test judges times: mark what runs one, so that nothing else runs beside it."""
    for item in items:
        if "loadtest" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.alone)
