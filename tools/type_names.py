"""Readable names of payload types, in the terms of JSON, for the generated reference."""

from __future__ import annotations

from msgspec import inspect

from chatws.protocol.limits import MAX_SEQ


def type_text(described: inspect.Type) -> str:
    """Describe a type in a few words; a struct becomes a link to its heading."""
    match described:
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            note = (schema or {}).get("description")
            text = f"string: {note}" if note else type_text(inner)
        case inspect.StructType(cls=cls):
            text = f"[{cls.__name__}](#{cls.__name__.lower()})"
        case inspect.EnumType(cls=cls):
            text = f"[{cls.__name__}](#errors)"
        case inspect.UnionType(types=types):
            text = " or ".join(type_text(member) for member in types)
        case inspect.ListType(item_type=item):
            text = f"list of {type_text(item)}"
        case inspect.DictType(key_type=key, value_type=value):
            text = f"object, {type_text(key)} to {type_text(value)}"
        case inspect.LiteralType(values=values):
            text = " or ".join(f"`{_literal(value)}`" for value in values)
        case _:
            text = _simple_text(described)
    return text


def structs_in(described: inspect.Type) -> list[inspect.StructType]:
    """Return the structs that a type contains, outermost first, repeated as often as they occur."""
    match described:
        case inspect.StructType(fields=fields):
            return [described, *(found for field in fields for found in structs_in(field.type))]
        case inspect.Metadata(type=inner):
            return structs_in(inner)
        case inspect.UnionType(types=types):
            return [found for member in types for found in structs_in(member)]
        case inspect.ListType(item_type=item):
            return structs_in(item)
        case _:
            return []


def _simple_text(described: inspect.Type) -> str:
    match described:
        case inspect.IntType(ge=low, le=high):
            return "integer" + _range(low, None if high == MAX_SEQ else high)
        case inspect.StrType(pattern=str(pattern)):
            return f"string, `{pattern.removeprefix(chr(92) + 'A').removesuffix(chr(92) + 'Z')}`"
        case inspect.StrType(min_length=low, max_length=high):
            return "string" + (f"{_range(low, high)} characters" if high else "")
        case inspect.BoolType():
            return "boolean"
        case inspect.NoneType():
            return "null"
        case inspect.AnyType():
            return "anything"
        case _:
            raise TypeError(described)


def _range(low: int | None, high: int | None) -> str:
    if high is not None:
        return f", {low or 0} to {high:,}"
    return "" if low is None else f", {low} or more"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
