"""Output to a terminal that may take nothing or be closed: the application never waits for it."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver

from chatws.exit_codes import ExitCode
from chatws_cli.exit_signals import discard_output

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WAITING_CHARS: Final = 1_000_000
"""Output that waits for the terminal; a full screen has about 20,000 characters with its escape sequences."""

CHUNK_CHARS: Final = 4_096
STOP_TIMEOUT_S: Final = 0.4


class TerminalOutput(WriterThread):
    """Thread that writes to the terminal, with a bounded buffer; Textual's own one blocks its caller.

    When the buffer is full, it is dropped, with all further output until the terminal takes the write in progress.
    """

    def __init__(self, file: IO[str], on_lost: Callable[[], None], on_resumed: Callable[[], None]) -> None:
        super().__init__(file)
        self._on_lost = on_lost
        self._on_resumed = on_resumed
        self._changed = threading.Condition()
        self._waiting: deque[str] = deque()
        self._waiting_chars = 0
        # Set while output is dropped.
        self._is_dropping = False
        # Set when the terminal is closed, or `stop` was called.
        self._has_ended = False

    def write(self, text: str) -> None:
        """Add output; never blocks."""
        with self._changed:
            if self._has_ended or self._is_dropping:
                return
            self._waiting.append(text)
            self._waiting_chars += len(text)
            if self._waiting_chars > MAX_WAITING_CHARS:
                self._is_dropping = True
                self._clear()
            self._changed.notify()

    def run(self) -> None:
        """Write until `stop` is called, and everything is written, or the terminal is closed."""
        try:
            while (text := self._next()) is not None:
                for start in range(0, len(text), CHUNK_CHARS):
                    self._file.write(text[start : start + CHUNK_CHARS])
                    self._file.flush()
        except (OSError, ValueError):
            with self._changed:
                self._has_ended = True
                self._clear()
            self._on_lost()

    def stop(self) -> None:
        """End the thread after the waiting output; a terminal that does not take it in time does not get it."""
        with self._changed:
            self._has_ended = True
            self._changed.notify()
        self.join(STOP_TIMEOUT_S)
        if self.is_alive():
            with self._changed:
                self._clear()
            discard_output()
            self.join(STOP_TIMEOUT_S)

    def _next(self) -> str | None:
        """Wait for output; return None at the end."""
        with self._changed:
            if self._is_dropping:
                self._is_dropping = False
                self._on_resumed()
            while not self._waiting and not self._has_ended:
                self._changed.wait()
            text = "".join(self._waiting)
            self._clear()
            return text or None

    def _clear(self) -> None:
        self._waiting.clear()
        self._waiting_chars = 0


class TerminalDriver(LinuxDriver):
    """Textual's driver with `TerminalOutput`; ends the application when the terminal is closed."""

    _output: TerminalOutput | None = None

    @property
    def is_output_blocked(self) -> bool:
        """Whether the thread still waits for the terminal."""
        return self._output is not None and self._output.is_alive()

    # Textual assigns its thread to this attribute when the application starts.
    @property
    def _writer_thread(self) -> WriterThread | None:
        return self._output

    @_writer_thread.setter
    def _writer_thread(self, thread: WriterThread | None) -> None:
        if thread is None:
            self._output = None
            return
        assert self._file is not None, "there is no standard error"
        self._output = TerminalOutput(self._file, self._end, self._repaint)

    def _end(self) -> None:
        self._call(self._app.exit, int(ExitCode.HUNG_UP))

    def _repaint(self) -> None:
        self._call(self._app.refresh)

    def _call(self, function: Callable[..., Any], *arguments: object) -> None:
        with suppress(RuntimeError):  # the event loop is closed: the application has ended
            self._loop.call_soon_threadsafe(function, *arguments)
