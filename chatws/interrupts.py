"""Ctrl-C during the imports of a program, which take a tenth of a second on an idle machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def end_at_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the process without a traceback until the end of the block.

    SIGINT stays ignored in a process that was started so, as by ``nohup`` or in the background of a shell.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
