"""Writes the protocol for TypeScript from the tables: ``python -m chatws.protocol.typescript [--check]``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import inspect

from chatws.protocol.errors import ErrorCode
from chatws.protocol.responses import Refused
from chatws.protocol.rest_spec import REST_COMMANDS
from chatws.protocol.spec import COMMANDS, EVENTS, CommandSpec
from chatws.protocol.typetext import structs_in

FILE = Path(__file__).parent.parent / "web" / "core" / "protocol.d.ts"

_HEAD = """\
// Written by `python -m chatws.protocol.typescript` from the tables in chatws/protocol: change those, then run it.
"""


def main(arguments: Sequence[str]) -> int:
    """Write the file, or with ``--check`` say by the exit code whether it is current."""
    text = write_declarations()
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{FILE.name} is not current; run: python -m chatws.protocol.typescript\n")
    return 1


def write_declarations() -> str:
    """Return the file as it should be."""
    structs = [_interface(struct) for struct in _all_structs().values()]
    return "\n".join([_HEAD, _error_codes(), *structs, _server_events(), _client_events()])


def _all_structs() -> dict[str, inspect.StructType]:
    rows = [*COMMANDS.values(), *REST_COMMANDS.values()]
    roots: list[object] = [payload for row in rows for payload in (row.payload, row.reply)]
    roots += [row.payload for row in EVENTS.values()]
    found = [struct for root in [*roots, Refused] for struct in structs_in(inspect.type_info(root))]
    return {struct.cls.__name__: struct for struct in found}


def _interface(struct: inspect.StructType) -> str:
    # An inherited docstring would describe the base.
    text = vars(struct.cls).get("__doc__") or ""
    words = " ".join(text.split()).replace("``", "`")
    fields = "".join(f"  {_field(field)}\n" for field in struct.fields)
    return f"/** {words} */\nexport interface {struct.cls.__name__} {{\n{fields}}}\n"


def _field(field: inspect.Field) -> str:
    may_miss = not field.required and not isinstance(field.default, bool)
    return f"{field.encode_name}{'?' if may_miss else ''}: {_type(field.type)};"


def _error_codes() -> str:
    codes = "".join(f'\n  | "{code.value}"' for code in ErrorCode)
    return f"export type ErrorCode ={codes};\n"


def _server_events() -> str:
    rows = [(row.summary, row.name, f"(payload: {_type_of(row.payload)}) => void") for row in EVENTS.values()]
    return _events("What the server says; for `Socket` of socket.io-client.", "ServerToClientEvents", rows)


def _client_events() -> str:
    rows = [(row.summary, row.name, _request(row)) for row in COMMANDS.values()]
    return _events("What a client asks for; for `Socket` of socket.io-client.", "ClientToServerEvents", rows)


def _events(title: str, name: str, rows: Iterable[tuple[str, str, str]]) -> str:
    fields = "".join(f"  /** {summary} */\n  {event}: {signature};\n" for summary, event, signature in rows)
    return f"/** {title} */\nexport interface {name} {{\n{fields}}}\n"


def _request(row: CommandSpec) -> str:
    optional = "?" if row.optional else ""
    reply = f"(reply: {row.reply.__name__} | Refused) => void"
    return f"(payload{optional}: {_type_of(row.payload)}, ack?: {reply}) => void"


def _type_of(annotation: object) -> str:
    return _type(inspect.type_info(annotation))


def _type(described: inspect.Type) -> str:
    match described:
        case inspect.Metadata(type=inner):
            return _type(inner)
        case inspect.StructType(cls=cls) | inspect.EnumType(cls=cls):
            return cls.__name__
        case inspect.UnionType(types=types):
            return _union(_type(one) for one in types if not _is_unset(one))
        case inspect.ListType(item_type=item):
            return f"{_type(item)}[]" if isinstance(item, inspect.StructType) else f"Array<{_type(item)}>"
        case inspect.DictType(key_type=key, value_type=value):
            return f"Record<{_type(key)}, {_type(value)}>"
        case inspect.LiteralType(values=values):
            return _union(msgspec.json.encode(value).decode() for value in values)
        case _:
            return _simple(described)


def _is_unset(described: inspect.Type) -> bool:
    return isinstance(described, inspect.CustomType) and described.cls is msgspec.UnsetType


def _simple(described: inspect.Type) -> str:
    names: dict[type[inspect.Type], str] = {
        inspect.StrType: "string",
        inspect.IntType: "number",
        inspect.FloatType: "number",
        inspect.BoolType: "boolean",
        inspect.NoneType: "null",
        inspect.AnyType: "unknown",
    }
    if type(described) not in names:
        raise TypeError(described)
    return names[type(described)]


def _union(parts: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(parts))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
