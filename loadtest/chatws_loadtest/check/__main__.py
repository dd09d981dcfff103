"""Runs ``chatws check`` as a program of its own."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    # There is nothing to put in order: Ctrl-C ends it at once, without a traceback.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from chatws_loadtest.check.command import main

    main()
