"""Supervisor of several server processes: starts them, announces them together and drains them together."""

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
"""Called with the base URLs of all servers once all of them listen."""


def run_workers(settings: Settings, announce: Announce) -> int:
    """Run ``settings.workers`` servers on consecutive ports until SIGTERM, SIGINT or SIGHUP; return the exit code.

    A server that exits is restarted on its port. All servers drain together; those that take longer than ``drain_ms``
    are killed.

    Raises:
        StartError: a server could not start or exited repeatedly; the others have been drained.
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
    supervising = [asyncio.create_task(worker.supervise()) for worker in workers]
    announcing = asyncio.create_task(_announce(workers, announce))
    completions: list[asyncio.Future[Any]] = [stop, *supervising]
    try:
        await asyncio.wait(completions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        announcing.cancel()
        await _drain(workers, supervising, settings.drain_ms / 1000)
    for task in supervising:
        task.result()
    return stop.result()


async def _announce(workers: Sequence[Worker], announce: Announce) -> None:
    announce([await worker.url for worker in workers])


async def _drain(workers: Sequence[Worker], supervising: Sequence[asyncio.Task[None]], drain_s: float) -> None:
    """Drain all servers at the same time; kill those that exceed the time."""
    log_event(_log, logging.INFO, "draining", servers=len(workers))
    for worker in workers:
        worker.stop()
    _, overdue = await asyncio.wait(supervising, timeout=drain_s)
    if overdue:
        log_event(_log, logging.ERROR, "servers_killed", count=len(overdue))
        _kill(workers)
        await asyncio.wait(overdue)


def _kill(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.kill()
