"""Thread with an event loop for the servers of tests that run gevent's hub in the main thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 30.0


class ThreadedServer(Protocol):
    """Server that a thread can run."""

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Close all connections."""


@contextmanager
def running(server: ThreadedServer) -> Iterator[None]:
    """Run a server in a thread until the end of the context."""
    listening, over = threading.Event(), threading.Event()

    async def serve() -> None:
        await server.start()
        listening.set()
        await asyncio.to_thread(over.wait)
        await server.stop()
        # Aborted connections close their sockets in the next iteration of the loop.
        await asyncio.sleep(0)

    # `asyncio.run` also cancels tasks that the server's library leaves running.
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert listening.wait(START_TIMEOUT_S)
        yield
    finally:
        over.set()
        thread.join()
