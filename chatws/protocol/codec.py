"""Decoding of payloads and replies into structs: types are strict, unknown fields are ignored."""

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
_REQUEST_PACKETS = [
    msgspec.defstruct(name, [("payload", row.payload)], namespace={"row": row}, tag=name, array_like=True)
    for name, row in COMMANDS.items()
]
_decode_request: Callable[[str], Any] = msgspec.json.Decoder(reduce(or_, _REQUEST_PACKETS)).decode
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
_EMPTY_PAYLOAD = msgspec.Raw(b"{}")


def decode_request(raw_json: str) -> tuple[CommandSpec, Any] | None:
    """Decode a client event from the JSON array ``[name, payload]`` in one step.

    Return None if it is not valid, or has no payload: `find_command` and `decode_command` then find the reason.
    """
    try:
        packet = _decode_request(raw_json)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return packet.row, packet.payload


def find_command(name: str) -> CommandSpec:
    """Return the table row of a client event.

    Raises:
        ChatError: ``unknown_event``.
    """
    row = COMMANDS.get(name)
    if row is None:
        raise ChatError(ErrorCode.UNKNOWN_EVENT)
    return row


def decode_command(row: CommandSpec, args: list[msgspec.Raw]) -> Any:
    """Decode the payload of a client event as ``row.payload``.

    Raises:
        ChatError: ``bad_request`` with the field.
    """
    if not args and not row.optional:
        raise ChatError(ErrorCode.BAD_REQUEST, f"{row.name} needs a payload.")
    return decode_payload(row, args[0] if args else _EMPTY_PAYLOAD)


def decode_payload(row: CommandSpec, raw: msgspec.Raw | bytes | str) -> Any:
    """Decode a payload from JSON, for transports without an argument list.

    Raises:
        ChatError: ``bad_request`` with the field.
    """
    try:
        return _COMMAND_DECODERS[row.name].decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ChatError(ErrorCode.BAD_REQUEST, f"{row.name}: {_describe(error)}") from None


def convert_fields(row: CommandSpec, fields: dict[str, str]) -> Any:
    """Convert a payload from text fields, such as those of a query string.

    Raises:
        ChatError: ``bad_request`` with the field.
    """
    try:
        return msgspec.convert(fields, row.payload, strict=False)
    except msgspec.ValidationError as error:
        raise ChatError(ErrorCode.BAD_REQUEST, f"{row.name}: {error}") from None


def decode_event(name: str, raw: bytes | str) -> Any:
    """Decode the payload of a server event as the type in the table.

    Raises:
        KeyError: the table has no such event.
        msgspec.DecodeError: the payload does not match the type.
    """
    return _EVENT_DECODERS[name].decode(raw)


def decode_event_packet(raw_json: str) -> tuple[str, Any] | None:
    """Decode name and payload of a server event from the JSON array ``[name, payload]`` in one step.

    Return None if the table has no such event or the payload does not match its type.
    """
    try:
        packet = _decode_event_packet(raw_json)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return packet.event, packet.payload


def convert_event(name: str, payload: object) -> Any:
    """Convert the payload of a server event that a Socket.IO client has already parsed, as in `decode_event`."""
    return msgspec.convert(payload, EVENTS[name].payload)


def convert_reply(name: str, payload: object) -> responses.Ok | responses.Refused:
    """Convert the reply to the command ``name`` from parsed JSON.

    Raises:
        msgspec.ValidationError: the JSON is neither a reply of the command nor an error reply.
    """
    if isinstance(payload, dict) and payload.get("success") is True:
        return msgspec.convert(payload, COMMANDS[name].reply)
    return msgspec.convert(payload, responses.Refused)


def decode_ack(name: str, raw_json: str) -> responses.Ok | responses.Refused:
    """Decode the reply to the command ``name`` from the JSON array of its ack.

    Raises:
        msgspec.DecodeError: the JSON is neither a reply of the command nor an error reply.
    """
    try:
        reply: responses.Ok = _ACK_DECODERS[name].decode(raw_json).reply
    except msgspec.ValidationError:
        refused: responses.Refused = _decode_refused_ack(raw_json).reply
        return refused
    return reply


def _describe(error: Exception) -> str:
    if isinstance(error, msgspec.DecodeError):
        return str(error)
    return "the payload is not valid JSON"
