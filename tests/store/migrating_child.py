"""Child process that creates or migrates a database and kills itself before the n-th change or the commit."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from sqlalchemy import Engine, event

from chatws.store.factory import make_store

_left = int(sys.argv[2])


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


asyncio.run(make_store(sys.argv[1], server=True).open())
