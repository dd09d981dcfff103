"""Database of the simulation: one SQLite database in memory for all servers and all runs of this process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import TypeVar, cast

from sqlalchemy import Connection, insert

from chatws.protocol.entities import User
from chatws.store import schema
from chatws.store.queries import accounts, sessions
from chatws.store.sqlite import SqliteConnection, make_engine
from chatws_loadtest.simulate.cast import AGENTS, CUSTOMERS, conversation_of, session_of, user_of
from chatws_loadtest.simulate.clock import START_MS

EPOCH = "simulated-epoch"

_SESSION_MS = 2_592_000_000
_BOT = User(user_id="bot", user_name="AI", role="bot")

_TABLES = tuple(table.name for table in schema.metadata.sorted_tables)
"""Tables, each after those that it references."""

T = TypeVar("T")


class SharedDatabase:
    """Connection that all simulated servers share; transactions run at once, one after another."""

    def __init__(self) -> None:
        self._engine = make_engine(None)
        self.connection = SqliteConnection(self._engine)
        with self._engine.begin() as connection:
            schema.metadata.create_all(connection)
            connection.execute(insert(schema.meta).values(name=schema.EPOCH, value=EPOCH))
            _add_cast(connection)
        self._reads = SqliteConnection(self._engine)
        with self._reads.transaction() as self._reader:
            self.raw = _raw(self._reader)
        self._rows = {table: self.raw.execute(f"SELECT * FROM {table}").fetchall() for table in _TABLES}  # noqa: S608  names of tables

    def reset(self) -> None:
        """Restore the state before the first run: the cast with empty conversations.

        Not by `sqlite3.Connection.deserialize`, which is as fast: after hundreds of runs, a query then crashed SQLite.
        """
        self.raw.execute("BEGIN")
        for table in reversed(_TABLES):
            self.raw.execute(f"DELETE FROM {table}")  # noqa: S608  names of tables
        for table, rows in self._rows.items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self.raw.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608  names of tables
        self.raw.execute("COMMIT")

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query, without a transaction: nothing else runs at the same time."""
        return query(self._reader)


@cache
def shared_database() -> SharedDatabase:
    """Return the database of this process: a new engine would compile all statements again, for every run."""
    return SharedDatabase()


def _raw(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _add_cast(connection: Connection) -> None:
    accounts.ensure(connection, _BOT, None, START_MS)
    for agent in AGENTS:
        accounts.ensure(connection, user_of(agent), None, START_MS)
    for customer in CUSTOMERS:
        sessions.create(
            connection,
            session_of(customer),
            user_of(customer),
            START_MS + _SESSION_MS,
            conversation_of(customer),
            "queued",
            None,
            START_MS,
        )
