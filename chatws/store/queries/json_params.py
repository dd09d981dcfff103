"""SQL functions over JSON parameters, compiled for each backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler


class json_rows(FunctionElement[Any]):  # noqa: N801  named like an SQL function
    """Elements of a JSON array as rows with one column, ``value``; strings as text, other elements as JSON."""

    inherit_cache = True
    name = "json_rows"


class among_json(FunctionElement[Any]):  # noqa: N801  named like an SQL function
    """Condition that a column's value is among the strings of a JSON array; uses the column's index.

    The type is not declared: for a Boolean, SQLAlchemy appends "= 1" on SQLite, which prevents use of the index.
    """

    inherit_cache = True
    name = "among_json"


class json_item(FunctionElement[str]):  # noqa: N801  named like an SQL function
    """String at a position of a JSON array; the position is a literal."""

    type = Text()
    inherit_cache = True
    name = "json_item"


@compiles(json_rows, "sqlite")
def _json_each(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  options of the compiler
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(json_rows, "postgresql")
def _unnest(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"(SELECT unnest({_array_of(compiler.process(element.clauses, **options))}) AS value)"


@compiles(among_json, "sqlite")
def _in_json_each(element: among_json, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    column, array = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({array}))"  # noqa: S608  the parts are compiled


@compiles(among_json, "postgresql")
def _any_of_array(element: among_json, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    column, array = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({_array_of(array)})"


@compiles(json_item, "sqlite")
def _json_extract(element: json_item, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    array, position = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_extract({array}, '$[{position}]')"


@compiles(json_item, "postgresql")
def _json_arrow(element: json_item, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    array, position = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(CAST({array} AS json) ->> {position})"


def _array_of(json_array: str) -> str:
    """Convert a JSON array to a PostgreSQL array, for which the planner estimates ten elements.

    For the rows of the JSON function it estimates a hundred, and then scans a table of 40,000 rows instead of using the
    index.
    """
    return f"ARRAY (SELECT json_array_elements_text(CAST({json_array} AS json)))"
