"""The two JSON functions of the hot path, as each backend spells them."""

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


class json_item(FunctionElement[str]):  # noqa: N801  named like the function it is
    """The string at a place of a JSON array; the place is a literal."""

    type = Text()
    inherit_cache = True
    name = "json_item"


@compiles(json_rows, "sqlite")
def _json_each(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  the compiler's own
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(json_rows, "postgresql")
def _json_array_elements_text(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS json))"


@compiles(json_item, "sqlite")
def _json_extract(element: json_item, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    array, place = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_extract({array}, '$[{place}]')"


@compiles(json_item, "postgresql")
def _json_arrow(element: json_item, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    array, place = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(CAST({array} AS json) ->> {place})"
