"""Statements of the hot path: written in Core like all others, compiled once, run on the driver's own cursor."""

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
    """A statement whose parameters are strings and integers, given in the order of ``names``.

    ``Connection.execute`` spends 100 µs on a statement that SQLite runs in 5, which a commit of one message would pay
    four times, and so would somebody who comes back. What is left out is what these parameters do not need: type
    processors, events, result metadata. Errors are the driver's, not SQLAlchemy's.
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
        """Run a query and return its first row, if there is one."""
        rows = self.fetch(connection, values)
        return rows[0] if rows else None

    def run_many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Run a change once for each row of values."""
        sql, arrange = self._for(connection)
        cursor = _cursor(connection)
        try:
            cursor.executemany(sql, [arrange(row) for row in rows])
        finally:
            cursor.close()

    def _for(self, connection: Connection) -> tuple[str, Callable[[Values], Values]]:
        found = self._compiled.get(connection.dialect.name)
        return found or self._compile(connection)

    def _compile(self, connection: Connection) -> tuple[str, Callable[[Values], Values]]:
        compiled = self._statement.compile(dialect=connection.dialect, column_keys=list(self._names))
        order = compiled.positiontup or []
        # What the dialect adds on its own: SQLite's LIMIT comes with an OFFSET of 0.
        added = [name for name in order if name not in self._names]
        constants: Values = tuple(compiled.params[name] for name in added)
        names = [*self._names, *added]
        places = [names.index(name) for name in order]
        pick: Callable[[Values], Values] = itemgetter(*places) if len(places) > 1 else itemgetter(slice(0, 1))
        made = str(compiled), (lambda values: pick(values + constants)) if constants else pick
        self._compiled[connection.dialect.name] = made
        return made


def _cursor(connection: Connection) -> DBAPICursor:
    return connection.connection.cursor()
