"""Stored messages of the database, read page by page, for ``chatws export`` and ``chatws grep``."""

from __future__ import annotations

import re
import time
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.durations import UNITS_S
from chatws_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.protocol.entities import Message
    from chatws.settings import Settings
    from chatws.store.queries.export import MessageFilter
    from chatws.store.sql_store import Database

Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only messages since then: an age such as 30m or 7d, or a date such as 2026-01-31."
    ),
]


def parse_since(text: str | None) -> int | None:
    """Return a time in Unix milliseconds; a date without an offset is local.

    Raises:
        CommandError: it is neither an age nor a date; exit code 2.
    """
    if text is None:
        return None
    if age := re.fullmatch(r"(\d{1,9})([smhd])", text):
        return int((time.time() - int(age[1]) * UNITS_S[age[2]]) * 1_000)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000)
    except (ValueError, OverflowError):
        advice = "use an age such as 30m or 7d, or a date such as 2026-01-31 or 2026-01-31T09:00"
        raise CommandError(f"--since cannot be {text!r}", advice=advice, code=ExitCode.USAGE) from None


def read_messages(settings: Settings, wanted: MessageFilter, show: Callable[[Message], object]) -> None:
    """Call ``show`` with each message, ordered by conversation and ``seq``; servers may have the database open.

    Each page is a transaction of its own, so a long output does not hold back the writes of servers.

    Raises:
        CommandError: the database failed, or there is no such conversation; exit code 1.
    """
    from chatws.store.queries.export import page_of_all
    from chatws_cli.database import with_database

    async def run(database: Database) -> None:
        last: Message | None = None
        while page := await database.read(partial(page_of_all, wanted=wanted, after=last)):
            for message in page:
                show(message)
            last = page[-1]

    with_database(settings, run)
