"""Console interface of the chat loop, and its implementation for pipes, files and dumb terminals."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol

from chatws_cli.text_ui.editor import LineSubmitted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chatws_cli.text_ui.editor import Changed
    from chatws_cli.text_ui.renderer import OutputLine

_MAX_WAITING = 10_000
"""Bound of the queue of lines. While it is full, the end of the input is not detected."""


class Console(Protocol):
    """Source of typed lines and sink of output lines."""

    @property
    def is_interactive(self) -> bool:
        """Whether a user sees each line as it appears."""
        ...

    def typed(self) -> AsyncIterator[LineSubmitted | Changed]:
        """Yield the input until its end."""
        ...

    async def until_ended(self) -> None:
        """Return once the input has ended; lines may still be queued."""

    def show(self, lines: list[OutputLine]) -> None:
        """Print output lines."""
        ...


class PipeConsole:
    """Standard input and output without a terminal.

    A thread reads the input, because an event loop cannot wait for a file or /dev/null. It is a daemon thread, because
    a blocked read cannot be interrupted. It uses a separate file object: a blocked read holds the lock of
    ``sys.stdin``, which the interpreter would wait for at exit, and abort.
    """

    is_interactive = False

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(_MAX_WAITING)
        self._ended = asyncio.Event()
        self._is_read = False

    async def typed(self) -> AsyncIterator[LineSubmitted | Changed]:
        """Yield standard input line by line."""
        self._read()
        while (line := await self._lines.get()) is not None:
            self._room.release()
            yield LineSubmitted(line)

    async def until_ended(self) -> None:
        """Return at the end of standard input."""
        self._read()
        await self._ended.wait()

    def show(self, lines: list[OutputLine]) -> None:
        """Write lines to standard output and flush."""
        sys.stdout.write("".join(f"{line.text}\n" for line in lines))
        sys.stdout.flush()

    def _read(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        own = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read_lines, args=(own, loop), name="chatws-stdin", daemon=True).start()

    def _read_lines(self, source: BinaryIO, loop: asyncio.AbstractEventLoop) -> None:
        # RuntimeError: the loop is closed, because the command has ended.
        with source, suppress(RuntimeError):
            # OSError: input that cannot be read, such as a closed terminal, has ended.
            with suppress(OSError):
                for line in source:
                    self._room.acquire()
                    loop.call_soon_threadsafe(self._lines.put_nowait, line.decode("utf-8", "replace").rstrip("\r\n"))
            loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._ended.set()
        self._lines.put_nowait(None)
