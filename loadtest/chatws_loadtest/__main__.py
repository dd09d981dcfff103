"""Runs ``chatws loadtest`` as a program of its own, so that nothing it needs is loaded by the other commands."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    # Ctrl-C while the rest is being loaded ends it without a traceback; later there is something to put in order.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from chatws_loadtest.cli import main

    main()
