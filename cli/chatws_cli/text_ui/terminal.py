"""Console on a terminal in character mode, with the edited line below the output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from functools import partial
from typing import TYPE_CHECKING, Self

from chatws_cli.text_ui.completion import extend
from chatws_cli.text_ui.editor import ERASE_ROW, Changed, Ended, LineEditor, LineSubmitted
from chatws_cli.text_ui.keys import PASTE_OFF, PASTE_ON, KeyDecoder
from chatws_cli.text_ui.renderer import MARGIN, LineKind, OutputLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from chatws_cli.text_ui.completion import Completion
    from chatws_cli.text_ui.editor import Edit

_READ_BYTES = 4_096
_STYLES = {LineKind.NOTICE: "\x1b[2m", LineKind.OWN: "\x1b[36m", LineKind.PROBLEM: "\x1b[31m"}
_PLAIN = "\x1b[0m"


def is_capable() -> bool:
    """Whether standard input and output are a terminal that can move its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def can_show_screen() -> bool:
    """Whether the full screen can be shown; Textual draws on standard error."""
    return is_capable() and sys.stderr.isatty()


class Terminal:
    """Context manager on a running event loop; its exit always restores the terminal."""

    is_interactive = True

    def __init__(self, completer: Callable[[str], list[Completion]] = lambda _: []) -> None:
        self._completer = completer
        self._input = sys.stdin.fileno()
        self._editor = LineEditor()
        self._keys = KeyDecoder()
        self._typed: asyncio.Queue[LineSubmitted | Changed | None] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._restore: Callable[[], None] = lambda: None  # restores the attributes of the terminal
        self._colours = not os.environ.get("NO_COLOR")

    def __enter__(self) -> Self:
        self._restore = partial(termios.tcsetattr, self._input, termios.TCSADRAIN, termios.tcgetattr(self._input))
        loop = asyncio.get_running_loop()
        loop.add_reader(self._input, self._read)
        loop.add_signal_handler(signal.SIGCONT, self._begin)
        loop.add_signal_handler(signal.SIGWINCH, self._redraw)
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._input)
        loop.remove_signal_handler(signal.SIGCONT)
        loop.remove_signal_handler(signal.SIGWINCH)
        # After a hang-up the terminal no longer exists.
        with contextlib.suppress(OSError):
            self._write(ERASE_ROW + PASTE_OFF)
        with contextlib.suppress(termios.error):
            self._restore()

    async def typed(self) -> AsyncIterator[LineSubmitted | Changed]:
        """Yield every change of the line and every submitted line, until Ctrl-D."""
        while (edit := await self._typed.get()) is not None:
            yield edit

    async def until_ended(self) -> None:
        """Return at Ctrl-D or at a hang-up."""
        await self._ended.wait()

    def show(self, lines: list[OutputLine]) -> None:
        """Print lines above the edited line."""
        if lines:
            self._write(ERASE_ROW + "".join(f"{self._styled(line)}\n" for line in lines) + self._row())

    def _begin(self) -> None:
        tty.setcbreak(self._input, termios.TCSADRAIN)
        self._write(PASTE_ON + ERASE_ROW + self._row())

    def _read(self) -> None:
        try:
            received = os.read(self._input, _READ_BYTES)
        except OSError:
            received = b""
        if not received:
            # Hang-up: the descriptor stays readable, and the reader would be called endlessly.
            asyncio.get_running_loop().remove_reader(self._input)
            self._end()
            return
        for key in self._keys.feed(received):
            edit = self._complete() if key.text == "\t" and not key.pasted else self._editor.press(key)
            if isinstance(edit, Ended):
                self._end()
            elif edit is not None:
                self._typed.put_nowait(edit)
        self._redraw()

    def _complete(self) -> Edit | None:
        """Extend the line as far as it is certain; list the completions if several are possible."""
        found = self._completer(self._editor.text)
        extended = extend(self._editor.text, found)
        if extended == self._editor.text and len(found) > 1:
            self.show([OutputLine(LineKind.NOTICE, f"{MARGIN}{each.label:<28}{each.summary}") for each in found])
        return self._editor.replace(extended)

    def _end(self) -> None:
        self._ended.set()
        self._typed.put_nowait(None)

    def _redraw(self) -> None:
        self._write(ERASE_ROW + self._row())

    def _row(self) -> str:
        return self._editor.row(_columns())

    def _styled(self, line: OutputLine) -> str:
        style = _STYLES.get(line.kind)
        return f"{style}{line.text}{_PLAIN}" if style and self._colours else line.text

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80
