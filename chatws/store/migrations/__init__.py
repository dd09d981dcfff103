"""Atomic schema migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, String, column, insert, inspect, select, table

from chatws.protocol.ids import new_secret_id
from chatws.store import schema
from chatws.store.errors import Damaged, SchemaMismatch

if TYPE_CHECKING:
    from alembic.config import Config

_VERSION_TABLE = "alembic_version"
_REVISION = select(column("version_num", String)).select_from(table(_VERSION_TABLE))


def revision(connection: Connection) -> str | None:
    """Return the schema revision, None for an empty database.

    Raises:
        Damaged: the database contains tables of another program.
    """
    tables = inspect(connection).get_table_names()
    if _VERSION_TABLE in tables and schema.meta.name in tables:
        return str(connection.execute(_REVISION).scalar_one())
    if tables:
        raise Damaged(connection.engine.url.database or "the database", "it contains tables of another program")
    return None


def upgrade(connection: Connection) -> None:
    """Run the missing migrations and give a new database its epoch, in the caller's transaction.

    The transaction must already hold the write lock, so that only one process migrates.

    Raises:
        Damaged: the database belongs to another program.
        SchemaMismatch: a newer chatws created the database.
    """
    found = revision(connection)
    if found is not None and found > schema.REVISION:
        raise SchemaMismatch(found, schema.REVISION)
    if found != schema.REVISION:
        # Imported here: alembic costs 430 ms and is needed only when the schema changes.
        from alembic import command  # noqa: PLC0415

        command.upgrade(alembic_config(connection), schema.REVISION)
    if connection.execute(select(schema.meta.c.value).where(schema.meta.c.name == schema.EPOCH)).first() is None:
        connection.execute(insert(schema.meta), {"name": schema.EPOCH, "value": new_secret_id()})


def alembic_config(connection: Connection) -> Config:
    """Return the alembic configuration of these migrations on an open connection."""
    from alembic.config import Config  # noqa: PLC0415  see upgrade

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
