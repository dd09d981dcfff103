"""Table of the settings, derived from the model, for options, environment, files and documentation."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgspec
from msgspec import inspect

from chatws.settings.model import Settings


class ValueKind(Enum):
    """Notation of a value."""

    TEXT = "text"
    PATH = "a path"
    CHOICE = "one of"
    WHOLE = "a whole number"
    NUMBER = "a number"
    LIST = "a comma-separated list"


class Setting(NamedTuple):
    """Row of the table: ``allowed`` describes the valid values; the first set variable of ``environment`` applies."""

    name: str
    help: str
    kind: ValueKind
    allowed: str
    environment: tuple[str, ...]
    hint: Any
    """Type annotation in the model, interpreted by msgspec only."""


_GUIDE_VARIABLES = {"cors_origin": ("WEBSOCKET_CORS_ORIGIN",)}
"""Environment variables from the Production Deployment section of the guide."""


def parse_value(row: Setting, value: object, base: Path | None = None) -> object:
    """Convert a value from a source to the setting's type; text is parsed.

    A relative path is resolved against ``base``, if that is given.

    Raises:
        ValueError: the value is not allowed.
    """
    if row.kind is ValueKind.LIST and isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if row.kind is ValueKind.PATH and isinstance(value, str):
        path = Path(value).expanduser()
        return base / path if base else path
    if row.kind is ValueKind.TEXT and isinstance(value, str):
        return value
    # Lax conversion only for numbers in options and variables: elsewhere it converts the text "null" to None.
    is_number_text = isinstance(value, str) and row.kind in {ValueKind.WHOLE, ValueKind.NUMBER}
    try:
        return msgspec.convert(value, row.hint, strict=not is_number_text)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _rows() -> dict[str, Setting]:
    hints = get_type_hints(Settings, include_extras=True)
    described = inspect.type_info(Settings)
    assert isinstance(described, inspect.StructType)
    return {field.name: _row(field.name, field.type, hints[field.name]) for field in described.fields}


def _row(name: str, outer: inspect.Type, hint: object) -> Setting:
    assert isinstance(outer, inspect.Metadata), f"setting {name} has no description"
    assert outer.extra_json_schema is not None
    kind, allowed = _describe(outer.type)
    environment = (f"CHATWS_{name.upper()}", *_GUIDE_VARIABLES.get(name, ()))
    return Setting(name, outer.extra_json_schema["description"], kind, allowed, environment, hint)


def _describe(inner: inspect.Type) -> tuple[ValueKind, str]:
    match inner:
        case inspect.Metadata(type=plain):
            described = _describe(plain)
        case inspect.UnionType(types=types):
            described = _describe(next(member for member in types if not isinstance(member, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            described = ValueKind.CHOICE, "one of " + ", ".join(str(value) for value in values)
        case inspect.IntType():
            described = ValueKind.WHOLE, f"a whole number{_range(inner)}"
        case inspect.FloatType():
            described = ValueKind.NUMBER, f"a number{_range(inner)}"
        case inspect.VarTupleType(item_type=inspect.LiteralType(values=values)):
            described = ValueKind.LIST, "a comma-separated list (an array in a file) of " + ", ".join(map(str, values))
        case inspect.VarTupleType():
            described = ValueKind.LIST, "a comma-separated list (an array in a file)"
        case inspect.CustomType():
            described = ValueKind.PATH, "a path"
        case _:
            described = ValueKind.TEXT, "text"
    return described


def _range(number: inspect.IntType | inspect.FloatType) -> str:
    if number.ge is not None and number.le is not None:
        return f" from {number.ge} to {number.le}"
    if number.gt is not None:
        return f" above {number.gt:g}"
    return "" if number.ge is None else f", {number.ge} or more"


TABLE: dict[str, Setting] = _rows()
"""Every setting by name, in the order of the model."""
