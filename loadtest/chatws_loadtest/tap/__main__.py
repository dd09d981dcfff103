"""Program of ``chatws tap``."""

from __future__ import annotations

if __name__ == "__main__":
    from chatws_loadtest.tap.command import main

    main()
