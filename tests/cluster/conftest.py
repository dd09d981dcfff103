"""Fixtures of the tests that break and compare whole installations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.environment import Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One installation for all tests that leave it whole and use people of their own."""
    with Site(tmp_path_factory.mktemp("site"), "--set", "presence_grace_ms=500") as site:
        yield site
