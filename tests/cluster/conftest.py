"""Fixtures of the tests with several servers behind a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.environment import ClusterEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shared_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterEnvironment]:
    """Environment shared by tests that break nothing and use users of their own."""
    with ClusterEnvironment(tmp_path_factory.mktemp("environment"), "--set", "presence_grace_ms=500") as environment:
        yield environment
