"""Program of ``chatws replay``."""

from __future__ import annotations

if __name__ == "__main__":
    from chatws_loadtest.replay.command import main

    main()
