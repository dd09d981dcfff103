"""Turns the first argument of an event into its payload struct: strict about types, silent about unknown fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from chatws.protocol import responses
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.rest_spec import REST_COMMANDS
from chatws.protocol.spec import COMMANDS, EVENTS, CommandSpec

_COMMAND_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(row.payload, strict=True) for name, row in (COMMANDS | REST_COMMANDS).items()
}
_EVENT_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(row.payload) for name, row in EVENTS.items()
}
_EVENT_PACKETS = [
    msgspec.defstruct(name, [("payload", row.payload)], namespace={"event": name}, tag=name, array_like=True)
    for name, row in EVENTS.items()
]
_decode_event_packet: Callable[[str], Any] = msgspec.json.Decoder(reduce(or_, _EVENT_PACKETS)).decode
_ACK_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(msgspec.defstruct(name, [("reply", row.reply)], array_like=True))
    for name, row in COMMANDS.items()
}
_decode_refused_ack: Callable[[str], Any] = msgspec.json.Decoder(
    msgspec.defstruct("Refusal", [("reply", responses.Refused)], array_like=True)
).decode
_NOTHING = msgspec.Raw(b"{}")


def find_command(name: str) -> CommandSpec:
    """Look an event up in the table.

    Raises:
        ChatError: ``unknown_event``.
    """
    row = COMMANDS.get(name)
    if row is None:
        raise ChatError(ErrorCode.UNKNOWN_EVENT)
    return row


def decode_command(row: CommandSpec, args: list[msgspec.Raw]) -> Any:
    """Build the payload of a client's event; the result's type is ``row.payload``.

    Raises:
        ChatError: ``bad_request`` naming the field.
    """
    if not args and not row.optional:
        raise ChatError(ErrorCode.BAD_REQUEST, f"{row.name} needs a payload.")
    return decode_payload(row, args[0] if args else _NOTHING)


def decode_payload(row: CommandSpec, raw: msgspec.Raw | bytes | str) -> Any:
    """Build a payload from its JSON, for transports that have no argument list.

    Raises:
        ChatError: ``bad_request`` naming the field.
    """
    try:
        return _COMMAND_DECODERS[row.name].decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as problem:
        raise ChatError(ErrorCode.BAD_REQUEST, f"{row.name}: {_describe(problem)}") from None


def convert_fields(row: CommandSpec, fields: dict[str, str]) -> Any:
    """Build a payload from fields that are all text, as a query string's are.

    Raises:
        ChatError: ``bad_request`` naming the field.
    """
    try:
        return msgspec.convert(fields, row.payload, strict=False)
    except msgspec.ValidationError as problem:
        raise ChatError(ErrorCode.BAD_REQUEST, f"{row.name}: {problem}") from None


def decode_event(name: str, raw: bytes | str) -> Any:
    """Build the payload of a server's event; the result's type is the table's.

    Raises:
        KeyError: the table has no such event.
        msgspec.DecodeError: the payload is not of that type.
    """
    return _EVENT_DECODERS[name].decode(raw)


def decode_event_packet(raw_json: str) -> tuple[str, Any] | None:
    """Build name and payload of a server's event from its JSON array ``[name, payload]`` in one step.

    None when it is no event of the table, or its payload not of that type.
    """
    try:
        packet = _decode_event_packet(raw_json)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return packet.event, packet.payload


def convert_event(name: str, payload: object) -> Any:
    """Like `decode_event`, for a payload that a Socket.IO client has already parsed."""
    return msgspec.convert(payload, EVENTS[name].payload)


def convert_reply(name: str, payload: object) -> responses.Ok | responses.Refused:
    """Build the reply to the command ``name`` from parsed JSON.

    Raises:
        msgspec.ValidationError: it is neither the command's reply nor a refusal.
    """
    if isinstance(payload, dict) and payload.get("success") is True:
        return msgspec.convert(payload, COMMANDS[name].reply)
    return msgspec.convert(payload, responses.Refused)


def decode_ack(name: str, raw_json: str) -> responses.Ok | responses.Refused:
    """Build the reply to the command ``name`` from the JSON array of its ack.

    Raises:
        msgspec.DecodeError: it is neither the command's reply nor a refusal.
    """
    try:
        reply: responses.Ok = _ACK_DECODERS[name].decode(raw_json).reply
    except msgspec.ValidationError:
        refused: responses.Refused = _decode_refused_ack(raw_json).reply
        return refused
    return reply


def _describe(problem: Exception) -> str:
    if isinstance(problem, msgspec.DecodeError):
        return str(problem)
    return "the payload is not valid JSON"
