"""Program of ``chatws simulate``."""

from __future__ import annotations

if __name__ == "__main__":
    from chatws_loadtest.simulate.command import main

    main()
