"""Where typed lines come from when there are no single keys to see: a pipe, a file, or a dumb terminal."""

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
"""Most lines that wait to be taken; as long as more come, the end of the input is not known."""


class Console(Protocol):
    """What a person or a program types into and reads from."""

    @property
    def is_interactive(self) -> bool:
        """Whether somebody sees each line as it appears."""
        ...

    def typed(self) -> AsyncIterator[LineSubmitted | Changed]:
        """Give what is typed; ends with the input."""
        ...

    async def until_ended(self) -> None:
        """Return once nothing more will be typed; what has been may still wait to be taken."""

    def show(self, lines: list[OutputLine]) -> None:
        """Print lines."""
        ...


class PipeConsole:
    """Standard input and output without a terminal's help.

    A thread reads, because an event loop can not wait for a file or /dev/null; it is a daemon, since nothing ends a
    blocked read. It reads through a file object of its own: for the lock of ``sys.stdin``, held by a blocked read, the
    interpreter would wait at its end, and abort.
    """

    is_interactive = False

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(_MAX_WAITING)
        self._ended = asyncio.Event()
        self._is_read = False

    async def typed(self) -> AsyncIterator[LineSubmitted | Changed]:
        """Give standard input line by line."""
        self._read()
        while (line := await self._lines.get()) is not None:
            self._room.release()
            yield LineSubmitted(line)

    async def until_ended(self) -> None:
        """Return once standard input has been read to its end."""
        self._read()
        await self._ended.wait()

    def show(self, lines: list[OutputLine]) -> None:
        """Write lines to standard output at once."""
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
        # RuntimeError: the loop is closed, so the command is over.
        with source, suppress(RuntimeError):
            # OSError: what can not be read any more, a terminal that has gone, has ended.
            with suppress(OSError):
                for line in source:
                    self._room.acquire()
                    loop.call_soon_threadsafe(self._lines.put_nowait, line.decode("utf-8", "replace").rstrip("\r\n"))
            loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._ended.set()
        self._lines.put_nowait(None)
