"""Writes the reference page from the tables: ``python -m chatws.protocol.reference [--check]``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import NODEFAULT, inspect

from chatws.protocol import limits
from chatws.protocol.errors import ERRORS
from chatws.protocol.openapi import PAGES
from chatws.protocol.responses import Refused
from chatws.protocol.rest_spec import OPERATIONS, REST_COMMANDS
from chatws.protocol.spec import COMMANDS, EVENTS, CommandSpec
from chatws.protocol.typetext import structs_in, type_text

PAGE = Path(__file__).with_name("reference.md")

_INTRODUCTION = """\
# The protocol

Written by `python -m chatws.protocol.reference` from the tables beside it; change those, then run it again.

A request is answered by its ack (Socket.IO) or its response (REST): the reply named here with `"success": true`, or
[Refused](#refused). A request without an ack callback that fails gets an `error` event. Unknown fields are ignored,
everywhere. Fields with `?` may be missing. A star marks what the integration guide has.
"""


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with ``--check`` say by the exit code whether it is current."""
    page = write_page()
    if "--check" not in arguments:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{PAGE.name} is not current; run: python -m chatws.protocol.reference\n")
    return 1


def write_page() -> str:
    """Return the page as it should be."""
    parts = [_INTRODUCTION, _commands(), _events(), _operations(), _shapes(), _errors(), _limits()]
    return "\n".join(parts)


def _commands() -> str:
    rows = [
        (_starred(row.name, row.in_guide), _payload(row), _link(row.reply), _who(row), row.limit.value, row.summary)
        for row in COMMANDS.values()
    ]
    return _section("Client to server", ("event", "payload", "ack", "who", "limit", ""), rows)


def _events() -> str:
    rows = [
        (_starred(row.name, row.in_guide), type_text(inspect.type_info(row.payload)), row.summary)
        for row in EVENTS.values()
    ]
    return _section("Server to client", ("event", "payload", ""), rows)


def _operations() -> str:
    rows = [
        (
            f"{operation.method} `{operation.path}`",
            _payload(operation.command),
            _link(operation.command.reply),
            _who(operation.command),
            operation.command.summary,
        )
        for operation in OPERATIONS
    ]
    rows += [
        (f"GET `{path}`", "", _link(body) if body else "text" if path == "/metrics" else "JSON", "anyone", summary)
        for path, summary, body in PAGES
    ]
    text = (
        "Who asks is said by the header `Authorization: Bearer TOKEN` (agents) or `X-Session-Id` (customers), nowhere "
        "else.\nThe payload's fields are those in braces in the path, and the query (GET) or the JSON body (POST)."
    )
    return _section("REST", ("operation", "payload", "response", "who", ""), rows, text)


def _shapes() -> str:
    types = [row.payload for row in (COMMANDS | REST_COMMANDS).values()]
    types += [row.reply for row in (COMMANDS | REST_COMMANDS).values()]
    types += [row.payload for row in EVENTS.values()]
    types += [body for _, _, body in PAGES if body is not None]
    found = {struct.cls: struct for one in [*types, Refused] for struct in structs_in(inspect.type_info(one))}
    shapes = sorted(found.values(), key=lambda struct: struct.cls.__name__)
    return "\n".join(["## Shapes\n", *(_shape(struct) for struct in shapes)])


def _shape(struct: inspect.StructType) -> str:
    rows = [
        (f"`{field.encode_name}`{'' if field.required or _is_constant(field) else '?'}", _field_text(field))
        for field in struct.fields
    ]
    name, text = struct.cls.__name__, (struct.cls.__doc__ or "").strip()
    lines = [f"### {name}\n", "\n".join(line.strip() for line in text.splitlines()), ""]
    if rows:
        lines.append(_table(("field", "type"), rows))
    return "\n".join(lines)


def _is_constant(field: inspect.Field) -> bool:
    """Whether the field is always there and always the same, such as ``success``."""
    return isinstance(field.type, inspect.LiteralType) and len(field.type.values) == 1


def _field_text(field: inspect.Field) -> str:
    text = type_text(field.type)
    if field.default in (NODEFAULT, None) or _is_constant(field):
        return text
    return f"{text}; {field.default} by default"


def _errors() -> str:
    rows = [
        (f"`{code.value}`", str(row.http_status), "yes" if row.retryable else "no", row.text)
        for code, row in ERRORS.items()
    ]
    return _section("Errors", ("code", "HTTP", "the same request may succeed later", "text"), rows)


def _limits() -> str:
    bounds = [(name, value) for name, value in vars(limits).items() if name.isupper()]
    text = "Those of a server that has not been told otherwise; `chatws config show` lists what one uses."
    return _section("Limits", ("name", "value"), [(f"`{name}`", f"{value:,}") for name, value in bounds], text)


def _payload(row: CommandSpec) -> str:
    described = inspect.type_info(row.payload)
    if isinstance(described, inspect.StructType) and not described.fields:
        return ""
    return type_text(described) + (" or nothing" if row.optional else "")


def _who(row: CommandSpec) -> str:
    if not row.roles:
        return "anyone"
    return ", ".join({"admin": "agent"}.get(role, role) for role in sorted(row.roles))


def _starred(name: str, in_guide: bool) -> str:  # noqa: FBT001  a column of the table
    return f"`{name}` ★" if in_guide else f"`{name}`"


def _link(struct: type) -> str:
    return f"[{struct.__name__}](#{struct.__name__.lower()})"


def _section(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], text: str = "") -> str:
    return "\n".join([f"## {title}\n", *([text, ""] if text else []), _table(head, rows)])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
