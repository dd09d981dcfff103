"""Client under test: a command that the check starts, or a client that the user starts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

STOP_TIMEOUT_S: Final = 3.0
MAX_LINE_BYTES: Final = 1024 * 1024
MAX_LINES: Final = 20_000
"""Lines of standard output that are kept, the newest."""


class CheckedClient(Protocol):
    """Client that connects to the server of the check, joins a conversation and sends messages until it is stopped."""

    @property
    def has_ended(self) -> bool:
        """Whether the client has ended by itself."""

    @property
    def lines(self) -> Iterable[str]:
        """Lines that the client has printed, or other texts that it has shown."""

    async def start(self, url: str) -> None:
        """Start the client, or restart it.

        Raises:
            OSError: it cannot be started.
        """

    async def stop(self) -> None:
        """End the client."""


class ClientCommand:
    """Command that is started with the server's address in an environment variable; its output is read by lines."""

    def __init__(self, command: Sequence[str], variable: str) -> None:
        self.lines: deque[str] = deque(maxlen=MAX_LINES)
        self._command = command
        self._variable = variable
        # Set while the process runs.
        self._child: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        return self._child is None or self._child.returncode is not None

    async def start(self, url: str) -> None:
        await self.stop()
        self.lines.clear()
        # In a process group of its own, so that a shell script is stopped together with its client.
        self._child = await asyncio.create_subprocess_exec(
            *self._command,
            env={**os.environ, self._variable: url},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=MAX_LINE_BYTES,
        )
        self._reader = asyncio.create_task(self._read(self._child))

    async def stop(self) -> None:
        child, reader = self._child, self._reader
        if child is None or reader is None:
            return
        self._signal(child, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await child.wait()
        except TimeoutError:
            pass
        finally:
            self._signal(child, signal.SIGKILL)
            await child.wait()
            await reader
            self._child = self._reader = None

    async def _read(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        while True:
            try:
                line = await child.stdout.readline()
            except ValueError:
                continue  # a longer line, which was discarded
            if not line:
                return
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def _signal(self, child: asyncio.subprocess.Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)


class ExternalClient:
    """Client that the user starts: the check announces the address and waits for its connection."""

    lines: tuple[str, ...] = ()

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._has_started = False

    @property
    def has_ended(self) -> bool:
        """Whether it was never announced; the end of a client that the user started cannot be seen."""
        return not self._has_started

    async def start(self, url: str) -> None:
        self._announce(f"restart the client: {url}" if self._has_started else f"start the client now: {url}")
        self._has_started = True

    async def stop(self) -> None:
        pass
