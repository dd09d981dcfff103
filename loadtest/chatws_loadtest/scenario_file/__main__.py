"""Program of ``chatws run``, in a separate process, so that other commands do not import its dependencies."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    # Ctrl-C during the imports ends the program without a traceback; later the command stops its server in order.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from chatws_loadtest.scenario_file.command import main

    main()
