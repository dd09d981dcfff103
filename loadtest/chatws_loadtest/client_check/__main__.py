"""Program of ``chatws check-client``."""

from __future__ import annotations

if __name__ == "__main__":
    from chatws_loadtest.client_check.command import main

    main()
