"""``chatws db``: maintenance of the database."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatws_cli.durations import parse_duration
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.options import DatabaseUrl, DataDir, database_settings

if TYPE_CHECKING:
    from chatws.store.queries.retention import Pruned
    from chatws.store.sql_store import Database

app = make_app("Upgrade, back up, restore, copy and prune the database.")


@app.command(epilog="Example: chatws db upgrade")
def upgrade(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Upgrade the database schema to this version. The server does so at its start."""
    from chatws.store import maintenance
    from chatws_cli.database import store_errors

    settings = database_settings(data_dir, database_url)
    with store_errors(settings):
        print(f"revision {maintenance.upgrade(settings.database)}")


@app.command(epilog="Example: chatws db backup chatws-backup.db")
def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="File to write; it must not exist.", show_default=False)
    ],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Copy the database into a file. A server may write to it meanwhile."""
    from chatws.store import AlreadyExists, maintenance
    from chatws_cli.database import store_errors

    settings = database_settings(data_dir, database_url)
    with store_errors(settings):
        try:
            maintenance.backup(settings.database, target)
        except AlreadyExists as problem:
            raise CommandError(f"{target} exists already", advice="choose another name") from problem
    print(f"wrote {target}")


@app.command(epilog="Example: chatws db restore chatws-backup.db")
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A file written by 'db backup'.", show_default=False)],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Replace the content of the database by a backup. Servers must be stopped; clients reload all messages."""
    from chatws.store import Damaged, maintenance
    from chatws_cli.database import store_errors

    settings = database_settings(data_dir, database_url)
    with store_errors(settings):
        try:
            epoch = maintenance.restore(settings.database, source)
        except Damaged as problem:
            raise CommandError(f"{source} is not a complete backup", problem.reason) from problem
    print(f"restored {source} (epoch {epoch})")


@app.command("new-epoch", epilog="Example: chatws db new-epoch")
def new_epoch(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Make clients reload all messages. For use after another tool restored the database; servers must be stopped."""
    from chatws.store import maintenance
    from chatws_cli.database import store_errors

    settings = database_settings(data_dir, database_url)
    with store_errors(settings):
        print(f"epoch {maintenance.renew_epoch(settings.database)}")


@app.command(epilog="Example: CHATWS_DATABASE_URL=postgresql://chat@db/chat chatws db copy --from sqlite:///chatws.db")
def copy(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="Database to read; default: SQLite in the data directory."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="Empty database to fill; default: database_url.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Copy all data from SQLite to PostgreSQL, or back. Every server must be stopped; the copy is one transaction."""
    import asyncio

    from chatws.store import transfer
    from chatws_cli.database import store_errors
    from chatws_cli.progress import CopyProgress

    settings = database_settings(data_dir, target)
    with store_errors(settings), CopyProgress() as progress:
        read = source or f"sqlite:///{settings.data_dir / 'chatws.db'}"
        counts = asyncio.run(transfer.copy(read, settings.database, progress.show))
    print("copied " + ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in counts.items()))


@app.command(epilog="Example: chatws db prune --older-than 90d --dry-run")
def prune(
    older_than: Annotated[str, typer.Option(metavar="TIME", help="Minimum age, for example 90d.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
) -> None:
    """Delete old conversations, sessions and customers.

    This deletes resolved conversations without later activity, ended sessions, and customers left with neither. Open
    and assigned conversations are kept, whatever their age. Servers may keep running.
    """
    from chatws.store import retention
    from chatws_cli.database import with_database

    before_ms = (int(time.time()) - parse_duration("--older-than", older_than)) * 1_000
    work = retention.count_old if dry_run else retention.prune

    async def run(database: Database) -> Pruned:
        return await work(database, before_ms)

    counts = with_database(database_settings(data_dir, database_url), run)
    listed = ", ".join(f"{count} {name}" for name, count in counts._asdict().items())
    print(f"{'would delete' if dry_run else 'deleted'} {listed}")
