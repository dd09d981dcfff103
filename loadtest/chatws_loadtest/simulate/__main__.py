"""Program of ``chatws simulate``."""

from __future__ import annotations

from chatws.interrupts import end_at_interrupts

if __name__ == "__main__":
    with end_at_interrupts():
        from chatws_loadtest.simulate.command import main
    main()
