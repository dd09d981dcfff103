"""Rules of a mapping that the types of its structs do not express."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, get_args

from chatws.client.mapping.model import AckMapping, CommandMapping, MappingTable, MembershipMapping, ServerMapping
from chatws.client.mapping.paths import PathSyntaxError, compile_path
from chatws.client.mapping.templates import TemplateSyntaxError, compile_template, placeholders
from chatws.client.mapping.translator import CREDENTIAL_PLACEHOLDERS, MESSAGE_PLACEHOLDERS, ROOM_PLACEHOLDERS
from chatws.protocol.entities import PresenceStatus, Role
from chatws.wire.socketio import RESERVED_EVENTS

Problem = tuple[str, str]
"""Dotted name of a key, and the problem."""

EVENT_KEYS: Final = frozenset({"event", "confirmation", "stop_event", "offline_event"})
PATH_KEYS: Final = frozenset(
    {
        *("health_connections", "conversation_id", "user_id", "user_name", "role", "success", "error", "message_id"),
        *("content", "sender_id", "sender_name", "sender_role", "timestamp", "is_typing", "status", "message"),
    }
)
_ROLES: Final = get_args(Role)
_STATUSES: Final = get_args(PresenceStatus)


def find_problem(mapping: ServerMapping) -> Problem | None:
    """Return the first violated rule; None for a valid mapping."""
    return next(_find_problems(mapping), None)


def _find_problems(mapping: ServerMapping) -> Iterator[Problem]:
    for name in mapping.__struct_fields__:
        table = getattr(mapping, name)
        if isinstance(table, MappingTable):
            yield from _check_values(name, table)
    yield from _check_server(mapping)
    yield from _check_auth(mapping)
    yield from _check_templates(mapping)
    yield from _check_acks(mapping)
    yield from _check_memberships(mapping)
    yield from _check_alternatives(mapping)
    yield from _check_synonyms("roles", mapping.roles, _ROLES)
    yield from _check_synonyms("statuses", mapping.statuses, _STATUSES)


def _check_values(key: str, table: MappingTable) -> Iterator[Problem]:
    """Check the paths and event names of a table and of the tables in it."""
    for name in table.__struct_fields__:
        value = getattr(table, name)
        if isinstance(value, MappingTable):
            yield from _check_values(f"{key}.{name}", value)
        elif name in EVENT_KEYS and value in RESERVED_EVENTS:
            yield f"{key}.{name}", f"Socket.IO reserves the event name {value}"
        elif name in PATH_KEYS and isinstance(value, str):
            try:
                compile_path(value)
            except PathSyntaxError as problem:
                yield f"{key}.{name}", str(problem)


def _check_server(mapping: ServerMapping) -> Iterator[Problem]:
    server = mapping.server
    for name in ("path", "namespace", "health"):
        text = getattr(server, name)
        if not (text.isascii() and text.isprintable()):
            yield f"server.{name}", f"{text!r} contains other characters than those of a URL"
    if not (server.path.startswith("/") and server.path.endswith("/")) or set(server.path) & set("?# "):
        yield "server.path", f"{server.path!r} does not begin and end with /, such as /socket.io/"
    if not server.namespace.startswith("/") or set(server.namespace) & set(",? "):
        yield "server.namespace", f"{server.namespace!r} is not a namespace; write / or /name"
    if server.health and not server.health.startswith("/"):
        yield "server.health", f"{server.health!r} does not begin with /"
    if server.health_connections and not server.health:
        yield "server.health_connections", "it needs server.health"


def _check_auth(mapping: ServerMapping) -> Iterator[Problem]:
    auth, identity = mapping.auth, mapping.authenticated
    if (auth.method == "event") != bool(auth.event):
        yield "auth.event", 'it belongs to method = "event", and only to it'
    for name in ("agent", "customer"):
        form = getattr(auth, name)
        if isinstance(form, list) and auth.method != "event":
            yield f"auth.{name}", 'only method = "event" takes a list of arguments; write a table'
        elif auth.method in {"query", "headers"} and not all(isinstance(value, str) for value in form.values()):
            yield f"auth.{name}", f'method = "{auth.method}" takes text values only'
    if (identity.source == "event") != bool(identity.event):
        yield "authenticated.event", 'it belongs to source = "event", and only to it'
    if identity.source == "ack" and not (auth.method == "event" and auth.ack.kind in {"value", "empty"}):
        yield "authenticated.source", '"ack" needs auth.method = "event" and a table auth.ack of kind value or empty'


def _check_templates(mapping: ServerMapping) -> Iterator[Problem]:
    forms = [("auth.agent", mapping.auth.agent), ("auth.customer", mapping.auth.customer)]
    rooms: list[tuple[str, CommandMapping | MembershipMapping | None]] = [
        ("join", mapping.join),
        ("leave", mapping.leave),
    ]
    rooms += [("typing_start", mapping.typing_start), ("typing_stop", mapping.typing_stop)]
    for key, template, allowed in (
        *((key, form, CREDENTIAL_PLACEHOLDERS) for key, form in forms),
        *((f"{key}.args", row.args, ROOM_PLACEHOLDERS) for key, row in rooms if row is not None),
        ("send.args", mapping.send.args, MESSAGE_PLACEHOLDERS),
    ):
        try:
            compile_template(template, allowed)
        except TemplateSyntaxError as problem:
            yield key, str(problem)
    if "content" not in placeholders(mapping.send.args):
        yield "send.args", "no value is {content}, the text of the message"
    for key, command in (
        ("send", mapping.send),
        ("typing_start", mapping.typing_start),
        ("typing_stop", mapping.typing_stop),
    ):
        if command is not None and not command.event:
            yield f"{key}.event", "the name of an event is missing"


def _check_acks(mapping: ServerMapping) -> Iterator[Problem]:
    acks: list[tuple[str, AckMapping]] = [("auth.ack", mapping.auth.ack)]
    for key in ("join", "leave", "send", "typing_start", "typing_stop"):
        row = getattr(mapping, key)
        if row is not None:
            acks.append((f"{key}.ack", row.ack))
    for key, ack in acks:
        if ack.kind in {"value", "optional"} and not (ack.success or ack.error):
            yield key, f'kind = "{ack.kind}" needs `success` or `error`, the path of a value that tells them apart'
        if ack.kind in {"empty", "none"} and (ack.success or ack.error or ack.message_id):
            yield key, f'kind = "{ack.kind}" has no value, and no paths'
    if mapping.send.ack.kind == "optional":
        yield "send.ack.kind", '"optional" is not possible for messages; write value, empty or none'


def _check_memberships(mapping: ServerMapping) -> Iterator[Problem]:
    for key in ("join", "leave"):
        row: MembershipMapping | None = getattr(mapping, key)
        if row is None:
            continue
        if (row.confirmed_by == "event") != bool(row.confirmation):
            yield f"{key}.confirmation", 'it belongs to confirmed_by = "event", and only to it'
        if row.confirmed_by == "ack" and row.ack.kind not in {"value", "empty"}:
            yield f"{key}.confirmed_by", f'"ack" needs a table {key}.ack of kind value or empty'
        if not row.event and (row.args or row.confirmed_by != "none"):
            yield f"{key}.event", 'without it nothing is sent: remove `args`, and write confirmed_by = "none"'


def _check_alternatives(mapping: ServerMapping) -> Iterator[Problem]:
    typing, presence = mapping.typing_indicator, mapping.presence_update
    if typing is not None and bool(typing.is_typing) == bool(typing.stop_event):
        yield "typing_indicator", "give either `is_typing`, the path of true or false, or `stop_event`"
    if presence is not None and bool(presence.status) == bool(presence.offline_event):
        yield "presence_update", "give either `status`, the path of the status, or `offline_event`"
    for key, table in (
        ("message_received", mapping.message_received),
        ("typing_indicator", typing),
        ("presence_update", presence),
        ("error", mapping.error),
    ):
        if table is not None and not table.event:
            yield f"{key}.event", "the name of an event is missing"
    if not mapping.message_received.content:
        yield "message_received.content", "the path of the text is missing"


def _check_synonyms(key: str, synonyms: dict[str, list[str | int | bool]], names: tuple[str, ...]) -> Iterator[Problem]:
    for name in synonyms:
        if name not in names:
            yield f"{key}.{name}", f"unknown name; allowed: {', '.join(names)}"
