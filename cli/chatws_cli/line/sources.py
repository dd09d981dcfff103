"""Where typed lines come from when there are no single keys to see: a pipe, a file, or a dumb terminal."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from chatws_cli.line.editor import Submitted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chatws_cli.line.editor import Changed
    from chatws_cli.line.view import Line

_MAX_WAITING = 10_000
"""Most lines that wait to be taken; as long as more come, the end of the input is not known."""


class Face(Protocol):
    """What a person or a program types into and reads from."""

    @property
    def is_interactive(self) -> bool:
        """Whether somebody sees each line as it appears."""
        ...

    def typed(self) -> AsyncIterator[Submitted | Changed]:
        """Give what is typed; ends with the input."""
        ...

    async def until_ended(self) -> None:
        """Return once nothing more will be typed; what has been may still wait to be taken."""

    def show(self, lines: list[Line]) -> None:
        """Print lines."""
        ...


class Pipe:
    """Standard input and output without a terminal's help.

    A thread reads, because an event loop can not wait for a file or /dev/null; it is a daemon, since nothing ends a
    blocked read.
    """

    is_interactive = False

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(_MAX_WAITING)
        self._ended = asyncio.Event()
        self._is_read = False

    async def typed(self) -> AsyncIterator[Submitted | Changed]:
        """Give standard input line by line."""
        self._read()
        while (line := await self._lines.get()) is not None:
            yield Submitted(line)

    async def until_ended(self) -> None:
        """Return once standard input has been read to its end."""
        self._read()
        await self._ended.wait()

    def show(self, lines: list[Line]) -> None:
        """Write lines to standard output at once."""
        sys.stdout.write("".join(f"{line.text}\n" for line in lines))
        sys.stdout.flush()

    def _read(self) -> None:
        if not self._is_read:
            self._is_read = True
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._read_lines, args=(loop,), name="chatws-stdin", daemon=True).start()

    def _read_lines(self, loop: asyncio.AbstractEventLoop) -> None:
        # The loop is closed: the command is over.
        with suppress(RuntimeError, asyncio.CancelledError):
            # An input that is closed under the reader has ended.
            with suppress(ValueError):
                for line in sys.stdin.buffer:
                    text = line.decode("utf-8", "replace").rstrip("\r\n")
                    asyncio.run_coroutine_threadsafe(self._lines.put(text), loop).result()
            loop.call_soon_threadsafe(self._ended.set)
            asyncio.run_coroutine_threadsafe(self._lines.put(None), loop).result()
