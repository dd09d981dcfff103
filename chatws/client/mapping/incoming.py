"""Readers of a server's events: each returns the fields of the guide's event that the server's payload contains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from chatws.client.mapping.model import (
    MessageMapping,
    PresenceMapping,
    Scalar,
    ServerMapping,
    Synonyms,
    TimestampFormat,
    TypingMapping,
)
from chatws.client.mapping.paths import ABSENT, PathReader, compile_path

Fields = dict[str, Any]
EventReader = Callable[[Sequence[object]], Fields]
Converter = Callable[[object], object]

_IDS: Final = frozenset({"conversationId", "userId", "messageId"})
_UNITS_PER_S: Final[Mapping[TimestampFormat, int]] = {"epoch_ms": 1000, "epoch_s": 1}


def compile_events(mapping: ServerMapping) -> dict[str, list[tuple[str, EventReader]]]:
    """Return for each of the server's events the guide's events that it stands for, with their readers."""
    table: dict[str, list[tuple[str, EventReader]]] = {}

    def add(event: str, name: str, reader: EventReader) -> None:
        if event:
            table.setdefault(event, []).append((name, reader))

    role = translate_values(mapping.roles)
    add(mapping.message_received.event, "message_received", _message_reader(mapping.message_received, role))
    for membership, name in ((mapping.join, "joined_conversation"), (mapping.leave, "left_conversation")):
        if membership is not None and membership.confirmed_by == "event":
            add(membership.confirmation, name, fields_reader(conversationId=membership.conversation_id))
    typing = mapping.typing_indicator
    if typing is not None:
        is_start = None if typing.is_typing else True
        add(typing.event, "typing_indicator", _typing_reader(typing, is_typing=is_start))
        add(typing.stop_event, "typing_indicator", _typing_reader(typing, is_typing=False))
    presence = mapping.presence_update
    if presence is not None:
        status = translate_values(mapping.statuses)
        online = None if presence.status else "online"
        add(presence.event, "presence_update", _presence_reader(presence, status, online))
        add(presence.offline_event, "presence_update", _presence_reader(presence, status, "offline"))
    if mapping.error is not None:
        add(mapping.error.event, "error", fields_reader(message=mapping.error.message))
    return table


def translate_values(synonyms: Synonyms) -> Converter:
    """Return a function that replaces a server's value by the guide's; values that are not listed are kept."""
    names: dict[Scalar, str] = {value: name for name, values in synonyms.items() for value in values}

    def translate(value: object) -> object:
        return names.get(value, value) if isinstance(value, (str, int)) else value

    return translate


def fields_reader(**paths: str) -> EventReader:
    """Return a reader of the guide's fields at these paths; one that is absent, or has no path, is left out."""
    readers: list[tuple[str, PathReader]] = [(name, compile_path(path)) for name, path in paths.items() if path]

    def read(args: Sequence[object]) -> Fields:
        values = [(name, reader(args)) for name, reader in readers]
        return {name: _to_text(name, value) for name, value in values if value is not ABSENT}

    return read


def _message_reader(message: MessageMapping, role: Converter) -> EventReader:
    read_message = fields_reader(
        conversationId=message.conversation_id, content=message.content, messageId=message.message_id
    )
    read_sender = fields_reader(userId=message.sender_id, userName=message.sender_name, role=message.sender_role)
    read_timestamp = compile_path(message.timestamp)
    read_time = _timestamp_converter(message.timestamp_format)

    def read(args: Sequence[object]) -> Fields:
        fields, sender = read_message(args), read_sender(args)
        if "role" in sender:
            sender["role"] = role(sender["role"])
        if sender:
            fields["sender"] = sender
        timestamp = read_timestamp(args)
        if timestamp is not ABSENT:
            fields["timestamp"] = read_time(timestamp)
        return fields

    return read


def _typing_reader(typing: TypingMapping, *, is_typing: bool | None) -> EventReader:
    """Return a reader; ``is_typing`` None: the payload has it."""
    read_fields = fields_reader(
        conversationId=typing.conversation_id,
        userId=typing.user_id,
        userName=typing.user_name,
        isTyping=typing.is_typing if is_typing is None else "",
    )
    constants: Fields = {} if is_typing is None else {"isTyping": is_typing}
    return lambda args: {**read_fields(args), **constants}


def _presence_reader(presence: PresenceMapping, translate: Converter, status: str | None) -> EventReader:
    """Return a reader; ``status`` None: the payload has it."""
    read_fields = fields_reader(
        userId=presence.user_id,
        status=presence.status if status is None else "",
        timestamp=presence.timestamp,
    )
    read_time = _timestamp_converter(presence.timestamp_format)

    def read(args: Sequence[object]) -> Fields:
        fields = read_fields(args)
        if status is not None:
            fields["status"] = status
        elif "status" in fields:
            fields["status"] = translate(fields["status"])
        if "timestamp" in fields:
            fields["timestamp"] = read_time(fields["timestamp"])
        return fields

    return read


def _to_text(name: str, value: object) -> object:
    """Convert an id that is a number to the guide's text."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number and name in _IDS else value


def _timestamp_converter(form: TimestampFormat) -> Converter:
    """Return a function that makes an ISO timestamp; a value of another type is kept, and fails the guide's shape."""
    units = _UNITS_PER_S.get(form)

    def convert(value: object) -> object:
        if units is None or isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        try:
            moment = datetime.fromtimestamp(value / units, UTC)
        except (ValueError, OverflowError, OSError):
            return value
        return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

    return convert
