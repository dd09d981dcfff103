"""Precompiled statements of the hot path, run on the cursor of the database driver."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPICursor
    from sqlalchemy.sql.dml import UpdateBase
    from sqlalchemy.sql.selectable import Select

Value = str | int | None
Values = tuple[Value, ...]


class Prepared:
    """Statement with string and integer parameters, given in the order of ``names``.

    ``Connection.execute`` adds 100 µs to a statement that SQLite runs in 5 µs; the commit of one message, or a rejoin,
    would add that four times. Type processors, events and result metadata are skipped, as these parameters do not need
    them. Errors are those of the driver, not of SQLAlchemy.
    """

    def __init__(self, statement: Select[*tuple[object, ...]] | UpdateBase, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = tuple(names)
        self._compiled: dict[str, tuple[str, Callable[[Values], Values]]] = {}  # by dialect

    def fetch(self, connection: Connection, values: Values) -> Sequence[Values]:
        """Run a query and return its rows."""
        sql, arrange = self._for(connection)
        cursor = _cursor(connection)
        try:
            cursor.execute(sql, arrange(values))
            return cast("Sequence[Values]", cursor.fetchall())
        finally:
            cursor.close()

    def first(self, connection: Connection, values: Values) -> Values | None:
        """Run a query and return its first row, None if there is no row."""
        rows = self.fetch(connection, values)
        return rows[0] if rows else None

    def run_many(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Run a statement once for each row of values; return the number of changed rows, on SQLite only."""
        if not rows:
            return 0
        sql, arrange = self._for(connection)
        cursor = _cursor(connection)
        try:
            cursor.executemany(sql, [arrange(row) for row in rows])
            return cursor.rowcount
        finally:
            cursor.close()

    def _for(self, connection: Connection) -> tuple[str, Callable[[Values], Values]]:
        found = self._compiled.get(connection.dialect.name)
        return found or self._compile(connection)

    def _compile(self, connection: Connection) -> tuple[str, Callable[[Values], Values]]:
        compiled = self._statement.compile(dialect=connection.dialect, column_keys=list(self._names))
        order = compiled.positiontup or []
        # Parameters added by the dialect: on SQLite a LIMIT brings an OFFSET of 0.
        added = [name for name in order if name not in self._names]
        constants: Values = tuple(compiled.params[name] for name in added)
        names = [*self._names, *added]
        positions = [names.index(name) for name in order]
        pick: Callable[[Values], Values] = itemgetter(*positions) if len(positions) > 1 else itemgetter(slice(0, 1))
        prepared = str(compiled), (lambda values: pick(values + constants)) if constants else pick
        self._compiled[connection.dialect.name] = prepared
        return prepared


def _cursor(connection: Connection) -> DBAPICursor:
    return connection.connection.cursor()
