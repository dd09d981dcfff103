"""Atomic schema migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select
from sqlalchemy.engine.mock import MockConnection

from chatws.protocol.ids import new_secret_id
from chatws.store import schema
from chatws.store.errors import Damaged, SchemaMismatch

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Dialect
    from sqlalchemy.schema import ExecutableDDLElement

_VERSIONS = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table, with one row."""

_definitions: dict[str, list[str]] = {}
"""Dialect → statements that create the newest tables. To compile them takes as long as to open an existing database."""

_REVISION = select(_VERSIONS.c.version_num)


def revision(connection: Connection) -> str | None:
    """Return the schema revision, None for an empty database.

    Raises:
        Damaged: the database contains tables of another program.
    """
    tables = inspect(connection).get_table_names()
    if _VERSIONS.name in tables and schema.meta.name in tables:
        return str(connection.execute(_REVISION).scalar_one())
    if tables:
        raise Damaged(connection.engine.url.database or "the database", "it contains tables of another program")
    return None


def upgrade(connection: Connection) -> None:
    """Create the tables of a new database, or run the missing migrations of an older one, in the caller's transaction.

    A new database also gets its epoch. The transaction must already hold the write lock, so that only one process
    migrates.

    Raises:
        Damaged: the database belongs to another program.
        SchemaMismatch: a newer chatws created the database.
    """
    found = revision(connection)
    if found is None:
        _create(connection)
    elif found > schema.REVISION:
        raise SchemaMismatch(found, schema.REVISION)
    elif found < schema.REVISION:
        migrate(connection, schema.REVISION)
    if connection.execute(select(schema.meta.c.value).where(schema.meta.c.name == schema.EPOCH)).first() is None:
        connection.execute(insert(schema.meta), {"name": schema.EPOCH, "value": new_secret_id()})


def migrate(connection: Connection, revision: str) -> None:
    """Run the migrations up to a revision, in the caller's transaction."""
    # Imported here: alembic costs 200 ms and is needed only when the schema of an existing database changes.
    from alembic import command  # noqa: PLC0415

    command.upgrade(alembic_config(connection), revision)


def alembic_config(connection: Connection) -> Config:
    """Return the alembic configuration of these migrations on an open connection."""
    from alembic.config import Config  # noqa: PLC0415  see migrate

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _create(connection: Connection) -> None:
    """Create the newest tables at once, which takes no alembic; a test compares them with those of the migrations."""
    name = connection.dialect.name
    if name not in _definitions:
        _definitions[name] = _compile_definitions(connection.dialect)
    for statement in _definitions[name]:
        connection.exec_driver_sql(statement)
    connection.execute(insert(_VERSIONS), {"version_num": schema.REVISION})


def _compile_definitions(dialect: Dialect) -> list[str]:
    statements: list[str] = []

    def add(statement: ExecutableDDLElement, *_: object) -> None:
        statements.append(str(statement.compile(dialect=dialect)))

    recorder = MockConnection(dialect, add)
    for metadata in (schema.metadata, _VERSIONS.metadata):
        metadata.create_all(recorder, checkfirst=False)
    return statements
