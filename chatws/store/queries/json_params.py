"""What the hot path does with JSON parameters, as each backend spells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler


class json_rows(FunctionElement[Any]):  # noqa: N801  named like the function it is
    """The elements of a JSON array as rows with one column, ``value``; strings as they are, the rest as JSON."""

    inherit_cache = True
    name = "json_rows"


class among_json(FunctionElement[Any]):  # noqa: N801  named like the function it is
    """Whether a column's value is among the strings of a JSON array; found by the column's index.

    The type is left open: for SQLite, "= 1" would be put behind a Boolean, and hide the index.
    """

    inherit_cache = True
    name = "among_json"


class json_item(FunctionElement[str]):  # noqa: N801  named like the function it is
    """The string at a place of a JSON array; the place is a literal."""

    type = Text()
    inherit_cache = True
    name = "json_item"


@compiles(json_rows, "sqlite")
def _json_each(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  the compiler's own
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(json_rows, "postgresql")
def _unnest(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"(SELECT unnest({_array_of(compiler.process(element.clauses, **options))}) AS value)"


@compiles(among_json, "sqlite")
def _in_json_each(element: among_json, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    column, array = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({array}))"  # noqa: S608  of compiled parts


@compiles(among_json, "postgresql")
def _any_of_array(element: among_json, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    column, array = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({_array_of(array)})"


@compiles(json_item, "sqlite")
def _json_extract(element: json_item, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    array, place = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_extract({array}, '$[{place}]')"


@compiles(json_item, "postgresql")
def _json_arrow(element: json_item, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    array, place = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(CAST({array} AS json) ->> {place})"


def _array_of(json_array: str) -> str:
    """Turn a JSON array into one of PostgreSQL, which it guesses to have ten elements.

    Of the function's rows it expects a hundred, and would rather read a table of 40,000 than look up so many.
    """
    return f"ARRAY (SELECT json_array_elements_text(CAST({json_array} AS json)))"
