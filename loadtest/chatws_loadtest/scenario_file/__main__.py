"""Program of ``chatws run``, in a separate process, so that other commands do not import its dependencies."""

from __future__ import annotations

from chatws.interrupts import end_at_interrupts

if __name__ == "__main__":
    with end_at_interrupts():
        from chatws_loadtest.scenario_file.command import main
    main()
