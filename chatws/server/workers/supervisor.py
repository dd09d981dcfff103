"""The parent of several servers: one announcement, one end for all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from chatws.server.logs import configure_logging, log_event
from chatws.server.signals import catch_signals
from chatws.server.workers.worker import Worker

if TYPE_CHECKING:
    from chatws.settings import Settings

_log = logging.getLogger("chatws.workers")

Announce = Callable[[Sequence[str]], None]
"""Gets the base URLs of all servers, once all of them listen."""


def run_workers(settings: Settings, announce: Announce) -> int:
    """Run ``settings.workers`` servers on consecutive ports until SIGTERM, SIGINT or SIGHUP; return the exit code.

    A server that ends is started again at its place. All drain together, and within ``drain_ms`` all are gone.

    Raises:
        StartError: one could not start, or ended again and again; the others have been drained.
    """
    configure_logging(settings.log_level, settings.log_format)
    with asyncio.Runner() as runner:
        return runner.run(_supervise(settings, announce))


async def _supervise(settings: Settings, announce: Announce) -> int:
    workers = [
        Worker(index + 1, msgspec.structs.replace(settings, port=settings.port + index if settings.port else 0))
        for index in range(settings.workers)
    ]
    stop = catch_signals(lambda: _kill(workers))
    keeping = [asyncio.create_task(worker.keep()) for worker in workers]
    announcing = asyncio.create_task(_announce(workers, announce))
    ends: list[asyncio.Future[Any]] = [stop, *keeping]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        announcing.cancel()
        await _end(workers, keeping, settings.drain_ms / 1000)
    for kept in keeping:
        kept.result()
    return stop.result()


async def _announce(workers: Sequence[Worker], announce: Announce) -> None:
    announce([await worker.url for worker in workers])


async def _end(workers: Sequence[Worker], keeping: Sequence[asyncio.Task[None]], drain_s: float) -> None:
    """Drain all together; kill who takes longer than a server may."""
    log_event(_log, logging.INFO, "draining", servers=len(workers))
    for worker in workers:
        worker.stop()
    _, late = await asyncio.wait(keeping, timeout=drain_s)
    if late:
        log_event(_log, logging.ERROR, "servers_killed", count=len(late))
        _kill(workers)
        await asyncio.wait(late)


def _kill(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.kill()
