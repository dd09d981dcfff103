"""Program of ``chatws replay``."""

from __future__ import annotations

from chatws.interrupts import end_at_interrupts

if __name__ == "__main__":
    with end_at_interrupts():
        from chatws_loadtest.replay.command import main
    main()
