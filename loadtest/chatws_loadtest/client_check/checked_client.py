"""Client under test: a command that the check starts, or a client that the user starts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from chatws_loadtest.client_check.process_family import find_family, kill_family

STOP_TIMEOUT_S: Final = 3.0
MAX_LINE_BYTES: Final = 32 * 1024
"""Longer lines are discarded; the longest content of a message has 16 KiB."""
MAX_LINES: Final = 5_000
"""Lines of output that are kept, the newest."""


class CheckedClient(Protocol):
    """Client that connects to the server of the check, joins a conversation and sends messages until it is stopped."""

    @property
    def has_ended(self) -> bool:
        """Whether the client has ended by itself."""

    @property
    def ending(self) -> str:
        """Exit code or signal of a client that has ended by itself; otherwise empty."""

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
        self._url = ""
        # Set while the process runs.
        self._child: asyncio.subprocess.Process | None = None
        self._output: asyncio.ReadTransport | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        return self._child is None or self._child.returncode is not None

    @property
    def ending(self) -> str:
        code = None if self._child is None else self._child.returncode
        if code is None:
            return ""
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    async def start(self, url: str) -> None:
        await self.stop()
        self.lines.clear()
        self._url = url
        # A pipe of our own: asyncio's subprocess waits for the end of its pipe, which a daemon may hold open.
        read_end, write_end = os.pipe()
        try:
            # In a process group of its own, so that a shell script is stopped together with its client.
            self._child = await asyncio.create_subprocess_exec(
                *self._command,
                env={**os.environ, self._variable: url},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        stream = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        self._output, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(read_end, "rb", 0)
        )
        self._reader = asyncio.create_task(self._read(stream))

    async def stop(self) -> None:
        child, output, reader = self._child, self._output, self._reader
        if child is None or output is None or reader is None:
            return
        # Found before the first of them ends, and the others lose their parent.
        family = await asyncio.to_thread(find_family, child.pid, self._variable, self._url)
        self._signal_group(child, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await child.wait()
        except TimeoutError:
            pass
        finally:
            self._signal_group(child, signal.SIGKILL)
            kill_family(child.pid, self._variable, self._url, family)
            await child.wait()
            output.close()
            await reader
            self._child = self._output = self._reader = None

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue  # a longer line, which was discarded
            if not line:
                return
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def _signal_group(self, child: asyncio.subprocess.Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)


class ExternalClient:
    """Client that the user starts: the check announces the address and waits for its connection."""

    lines: tuple[str, ...] = ()
    ending = ""
    """The end of a client that the user started cannot be seen."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._has_started = False

    @property
    def has_ended(self) -> bool:
        """Whether it was never announced."""
        return not self._has_started

    async def start(self, url: str) -> None:
        self._announce(f"restart the client: {url}" if self._has_started else f"start the client now: {url}")
        self._has_started = True

    async def stop(self) -> None:
        pass
