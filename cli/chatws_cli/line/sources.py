"""Where typed lines come from when there are no single keys to see: a pipe, a file, or a dumb terminal."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Protocol

from chatws_cli.line.editor import Submitted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chatws_cli.line.editor import Changed
    from chatws_cli.line.view import Line

_MAX_WAITING = 100


class Face(Protocol):
    """What a person or a program types into and reads from."""

    @property
    def is_interactive(self) -> bool:
        """Whether somebody sees each line as it appears."""
        ...

    def typed(self) -> AsyncIterator[Submitted | Changed]:
        """Give what is typed; ends with the input."""
        ...

    def show(self, lines: list[Line]) -> None:
        """Print lines."""
        ...


class Pipe:
    """Standard input and output without a terminal's help.

    A thread reads, because an event loop can not wait for a file or /dev/null; it is a daemon, since nothing ends a
    blocked read.
    """

    is_interactive = False

    async def typed(self) -> AsyncIterator[Submitted | Changed]:
        """Give standard input line by line."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(_MAX_WAITING)
        threading.Thread(
            target=_read_lines, args=(asyncio.get_running_loop(), queue), name="chatws-stdin", daemon=True
        ).start()
        while (line := await queue.get()) is not None:
            yield Submitted(line)

    def show(self, lines: list[Line]) -> None:
        """Write lines to standard output at once."""
        sys.stdout.write("".join(f"{line.text}\n" for line in lines))
        sys.stdout.flush()


def _read_lines(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[str | None]) -> None:
    try:
        for line in sys.stdin.buffer:
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            asyncio.run_coroutine_threadsafe(queue.put(text), loop).result()
        asyncio.run_coroutine_threadsafe(queue.put(None), loop).result()
    except (RuntimeError, asyncio.CancelledError):
        # The loop is closed: the command is over.
        return
