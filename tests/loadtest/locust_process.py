"""Process of the ``locust`` command, forked by `tests.support.locust_fork_server`, for tests with an event loop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support.preloaded import PreloadedProcess
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from collections.abc import Sequence


class LocustProcess:
    """Locust with an output that the test reads to its end; it is killed at the end of the block if it still runs."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.stdout = asyncio.StreamReader()
        """Standard output and standard error."""
        self._arguments = arguments
        self._child: PreloadedProcess | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    async def __aenter__(self) -> Self:
        reading, writing = os.pipe()
        protocol = asyncio.StreamReaderProtocol(self.stdout)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb"))
        try:
            self._child = await asyncio.to_thread(self._start, writing)
        finally:
            os.close(writing)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._running.kill()
        await self.wait()
        # The transport of the pipe closes itself at the end of the output.
        await self.stdout.read()

    def terminate(self) -> None:
        self._running.terminate()

    async def wait(self) -> int:
        """Wait until the process has exited, and return its exit code."""
        return await asyncio.to_thread(self._running.wait)

    def _start(self, output: int) -> PreloadedProcess:
        with Path(os.devnull).open("rb") as stdin:
            streams = [stdin.fileno(), output, output]
            return PreloadedProcess(self._arguments, streams, environment_of_children(), program="locust")

    @property
    def _running(self) -> PreloadedProcess:
        assert self._child is not None, "the process has not been started"
        return self._child
