"""``chatws db``: the database as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chatws_cli.errors import CommandError
from chatws_cli.options import DatabaseUrl, DataDir, database_settings
from chatws_cli.tree import make_app

app = make_app("Upgrade, back up and restore the database.")


@app.command(epilog="Example: chatws db upgrade")
def upgrade(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database to this version; the server does it by itself at start."""
    from chatws.store import maintenance
    from chatws_cli.storing import store_errors

    settings = database_settings(data_dir, database_url)
    with store_errors(settings):
        print(f"revision {maintenance.upgrade(settings.database)}")


@app.command(epilog="Example: chatws db backup chatws-backup.db")
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; must not exist.", show_default=False)],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Copy the database into a file, also while a server writes to it."""
    from chatws.store import AlreadyExists, maintenance
    from chatws_cli.storing import store_errors

    settings = database_settings(data_dir, database_url)
    with store_errors(settings):
        try:
            maintenance.backup(settings.database, target)
        except AlreadyExists as problem:
            raise CommandError(f"{target} is there already", advice="choose another name") from problem
    print(f"wrote {target}")


@app.command(epilog="Example: chatws db restore chatws-backup.db")
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A file that 'db backup' wrote.", show_default=False)],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Replace the database's content by a backup; the server must be stopped, clients load everything anew."""
    from chatws.store import Damaged, maintenance
    from chatws_cli.storing import store_errors

    settings = database_settings(data_dir, database_url)
    with store_errors(settings):
        try:
            epoch = maintenance.restore(settings.database, source)
        except Damaged as problem:
            raise CommandError(f"{source} is no whole backup", problem.reason) from problem
    print(f"restored {source} (epoch {epoch})")
