"""Fields of an event's payload that a record keeps: ids, numbers and the length of the text."""

from __future__ import annotations

from typing import Final

import msgspec

ROOM_KEYS: Final = ("conversationId", "conversation_id", "roomId", "room_id", "room", "channel")
MESSAGE_KEYS: Final = ("messageId", "message_id", "id", "_id")
CLIENT_ID_KEYS: Final = ("clientMessageId", "client_message_id", "clientId", "tempId")
SEQ_KEYS: Final = ("seq", "sequence")
CONTENT_KEYS: Final = ("content", "text", "body", "message")
USER_KEYS: Final = ("userId", "user_id", "id", "nick", "name")
PERSON_KEYS: Final = ("sender", "user", "from", "author", "me")
NAME_KEYS: Final = ("userName", "user_name", "name", "nick")
ROLE_KEYS: Final = ("role", "kind")
ROOM_WORDS: Final = ("join", "leave", "room", "typing", "subscribe", "enter", "exit")
"""Parts of the names of events whose only argument, a string, is a room; elsewhere it may be a text."""


class PayloadFields(msgspec.Struct, frozen=True, kw_only=True):
    """Values found in a payload; empty or 0 where there is none."""

    room: str = ""
    message: str = ""
    client_id: str = ""
    seq: int = 0
    content: str = ""
    user: str = ""
    role: str = ""
    name: str = ""
    error: str = ""
    ok: bool | None = None
    messages: tuple[str, ...] = ()


def read_fields(event: str, args: list[object]) -> PayloadFields:
    """Read the arguments of an event, or the values of an ack, by the usual names of fields.

    The names are those of the guide, and others that Socket.IO servers commonly use.
    """
    first = args[0] if args else None
    if isinstance(first, str):
        is_room = any(word in event for word in ROOM_WORDS)
        return PayloadFields(room=first) if is_room else PayloadFields(content=first)
    if not isinstance(first, dict):
        return PayloadFields()
    payload: dict[str, object] = first
    nested = next((inner for key in ("message", "conversation") if isinstance(inner := payload.get(key), dict)), {})
    person = _find_person(payload) or _find_person(nested)
    content = _text(payload, CONTENT_KEYS) or _text(nested, CONTENT_KEYS)
    is_message = bool(content) or "seq" in payload or "success" in payload or "ok" in payload
    return PayloadFields(
        room=_text(payload, ROOM_KEYS) or _text(nested, ROOM_KEYS),
        # A bare ``id`` names a message only in the payload of one.
        message=_text(payload, MESSAGE_KEYS if is_message else MESSAGE_KEYS[:2]) or _text(nested, MESSAGE_KEYS[:2]),
        client_id=_text(payload, CLIENT_ID_KEYS) or _text(nested, CLIENT_ID_KEYS),
        seq=_number(payload, SEQ_KEYS) or _number(nested, SEQ_KEYS),
        content=content,
        user=_text(person, USER_KEYS) or _text(payload, USER_KEYS[:2]),
        role=_text(person, ROLE_KEYS) or _text(payload, ROLE_KEYS[:1]),
        name=_text(person, NAME_KEYS) or _text(payload, NAME_KEYS[:2]),
        error=_read_error(payload),
        ok=_read_success(payload),
        messages=_read_messages(payload),
    )


def _find_person(payload: dict[str, object]) -> dict[str, object]:
    return next((inner for key in PERSON_KEYS if isinstance(inner := payload.get(key), dict)), {})


def _text(payload: dict[str, object], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = payload.get(key)
        if isinstance(value, str):
            return value
        # Ids may be numbers, but True is no id.
        if type(value) is int:
            return str(value)
    return ""


def _number(payload: dict[str, object], keys: tuple[str, ...]) -> int:
    return next((value for key in keys if type(value := payload.get(key)) is int), 0)


def _read_success(payload: dict[str, object]) -> bool | None:
    return next((value for key in ("success", "ok") if isinstance(value := payload.get(key), bool)), None)


def _read_error(payload: dict[str, object]) -> str:
    error = payload.get("error")
    if isinstance(error, dict):
        return _text(error, ("code",))
    # Anything longer is a sentence, which may quote the request.
    return error if isinstance(error, str) and len(error) <= 40 and " " not in error else ""  # noqa: PLR2004  above


def _read_messages(payload: dict[str, object]) -> tuple[str, ...]:
    listed = payload.get("messages")
    if not isinstance(listed, list):
        return ()
    ids = (_text(item, MESSAGE_KEYS) for item in listed if isinstance(item, dict))
    return tuple(message_id for message_id in ids if message_id)
