"""Program of ``chatws tap``."""

from __future__ import annotations

from chatws.interrupts import end_at_interrupts

if __name__ == "__main__":
    with end_at_interrupts():
        from chatws_loadtest.tap.command import main
    main()
