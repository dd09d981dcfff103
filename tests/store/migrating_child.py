"""Program, forked by `tests.support.fork_server`, that is killed while it creates or migrates a database.

It kills itself before the n-th change or the commit.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from sqlalchemy import Engine, event

from chatws.store.factory import make_store

_left = 0


@event.listens_for(Engine, "before_cursor_execute")
def _count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
    global _left  # noqa: PLW0603  one counter for the whole process
    if statement.lstrip().startswith(("CREATE", "INSERT", "UPDATE")):
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@event.listens_for(Engine, "commit")
def _die_before_commit(_connection: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Open the database of the last argument but one; the last one is the number of the change."""
    global _left  # noqa: PLW0603  one counter for the whole process
    *_, url, number = sys.argv
    _left = int(number)
    asyncio.run(make_store(url, server=True).open())
