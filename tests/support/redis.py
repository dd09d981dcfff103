"""Redis server for tests; tests can kill, freeze, empty and restart it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.ports import free_port
from tests.support.tools import skip_if_missing
from tools.services.redis import RedisProcess

if TYPE_CHECKING:
    from pathlib import Path


class RedisServer(RedisProcess):
    """``redis-server`` on a free port; the calling test is skipped if Redis is missing. Every method blocks."""

    def __init__(self, directory: Path, *options: str) -> None:
        with skip_if_missing():
            super().__init__(directory, *options, port=free_port())
