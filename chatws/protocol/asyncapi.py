"""AsyncAPI 3.0 document of the events."""

from __future__ import annotations

from chatws.protocol import responses
from chatws.protocol.json_schema import Json, describe_types
from chatws.protocol.spec import COMMANDS, EVENTS, CommandSpec, EventSpec

CHANNEL = "chat"


def describe(version: str) -> Json:
    """Return the document for this version of the server, from the server's point of view.

    A client's event is an operation that the server receives, with its ack as reply; a server's event is one that it
    sends.
    """
    rows: dict[str, CommandSpec | EventSpec] = {**COMMANDS, **EVENTS}
    payloads = {name: row.payload for name, row in rows.items()}
    replies = {row.name: row.reply for row in COMMANDS.values()}
    types = [*payloads.values(), *replies.values(), responses.Refused]
    found, schemas = describe_types(types)
    payload_schemas = dict(zip(payloads, found, strict=False))
    reply_schemas = dict(zip(replies, found[len(payloads) :], strict=False))
    messages = {name: _message(row, payload_schemas[name]) for name, row in rows.items()}
    messages |= {f"{name}_ack": _ack(name, schema, refused=found[-1]) for name, schema in reply_schemas.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "chatws", "version": version, "license": {"name": "MIT"}},
        "defaultContentType": "application/json",
        "channels": {
            CHANNEL: {
                "address": "/",
                "title": "Main namespace of Socket.IO",
                "description": "Socket.IO 5 on Engine.IO 4 at /socket.io/; each event has one JSON argument.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {name: _operation(row) for name, row in rows.items()},
        "components": {"schemas": schemas, "messages": messages},
    }


def _message(row: CommandSpec | EventSpec, schema: Json) -> Json:
    return {"name": row.name, "summary": row.summary, "payload": schema}


def _ack(name: str, schema: Json, *, refused: Json) -> Json:
    summary = f"Ack of {name}, if the client requests one."
    return {"name": f"{name} (ack)", "summary": summary, "payload": {"anyOf": [schema, refused]}}


def _operation(row: CommandSpec | EventSpec) -> Json:
    operation: Json = {
        "action": "receive" if isinstance(row, CommandSpec) else "send",
        "channel": _channel(),
        "summary": row.summary,
        "messages": [_channel("messages", row.name)],
    }
    if isinstance(row, CommandSpec):
        operation["reply"] = {"channel": _channel(), "messages": [_channel("messages", f"{row.name}_ack")]}
    return operation


def _channel(*path: str) -> Json:
    return {"$ref": "/".join(("#/channels", CHANNEL, *path))}
