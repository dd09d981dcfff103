"""Program of ``chatws check``."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    # Nothing needs cleaning up, so Ctrl-C ends the program at once, without a traceback.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from chatws_loadtest.check.command import main

    main()
