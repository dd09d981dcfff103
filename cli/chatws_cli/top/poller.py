"""Scrapes the metrics of several servers concurrently, and computes the change since the last scrape."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from chatws_cli.top.scrape import NotChatwsMetrics, Scrape, read
from chatws_cli.top.stats import Interval, ServerStats, between, stats_of, total_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

TIMEOUT_S = 3.0
"""Timeout of a scrape."""

MAX_BYTES = 4 * 1024 * 1024


class Frame(NamedTuple):
    """Statistics of each server, and their total, at one time."""

    at: float
    """Unix time."""
    servers: Sequence[ServerStats]
    total: ServerStats


class ScrapeFailed(Exception):
    """Failed scrape; the text is the reason shown to the user."""


class MetricsPoller:
    """Polls a fixed list of servers."""

    def __init__(self, urls: Sequence[str], http: aiohttp.ClientSession, tls: ssl.SSLContext | None) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._http = http
        self._tls = True if tls is None else tls
        self._last: dict[str, Scrape] = {}

    async def poll(self) -> Frame:
        """Scrape all servers; a failure is reported in the row of its server."""
        found = await asyncio.gather(*(self._row(url) for url in self._urls))
        rows = [row for row, _ in found]
        return Frame(time.time(), rows, total_of(rows, [interval for _, interval in found if interval is not None]))

    async def _row(self, url: str) -> tuple[ServerStats, Interval | None]:
        name = urlsplit(url).netloc
        try:
            now = await self._fetch(url)
        except ScrapeFailed as problem:
            self._last.pop(url, None)
            return ServerStats(server=name, state="away", why=str(problem)), None
        interval = between(self._last.get(url), now)
        self._last[url] = now
        return stats_of(name, now, interval), interval

    async def _fetch(self, url: str) -> Scrape:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._http.get(f"{url}/metrics", ssl=self._tls) as response:
                body = await response.content.read(MAX_BYTES)
                at_s = time.monotonic()
        except TimeoutError:
            raise ScrapeFailed(f"no answer within {TIMEOUT_S:g} s") from None
        except aiohttp.ClientConnectorError as problem:
            raise ScrapeFailed(_describe(problem.os_error)) from None
        except (aiohttp.ClientError, OSError) as problem:
            raise ScrapeFailed(str(problem) or type(problem).__name__) from None
        if response.status != 200:  # noqa: PLR2004  the only status with metrics
            raise ScrapeFailed(f"/metrics answers {response.status}; see the setting metrics")
        try:
            return read(body.decode(errors="replace"), at_s)
        except NotChatwsMetrics as problem:
            raise ScrapeFailed(str(problem)) from None


def _describe(problem: OSError) -> str:
    """Return the error text of the system; asyncio puts another one into the exception."""
    if problem.errno is not None and problem.errno > 0:  # errors of name resolution are negative
        return os.strerror(problem.errno)
    return problem.strerror or str(problem)
