"""Program of ``chatws timeline``."""

from __future__ import annotations

if __name__ == "__main__":
    from chatws_loadtest.chatlog_timeline.command import main

    main()
