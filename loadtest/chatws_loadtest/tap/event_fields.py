"""Fields of events and acks that the analysis needs, by the mapping of the server and by usual names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chatws.client.mapping import ServerMapping
from chatws.client.mapping.paths import ABSENT, PathReader, compile_path

ROOM_NAMES: Final = ("conversationId", "roomId", "room")
KEY_NAMES: Final = ("clientMessageId",)
MESSAGE_NAMES: Final = ("messageId", "id", "_id")
"""Names of fields at which servers that the mapping does not describe usually have the ids."""


class EventFields:
    """Reader of rooms, ids and contents in the arguments of events and acks."""

    def __init__(self, mapping: ServerMapping) -> None:
        received = mapping.message_received
        self.send = mapping.send.event
        self.delivery = received.event
        self.join = mapping.join.event
        self.joined = mapping.join.confirmation if mapping.join.confirmed_by == "event" else ""
        self.leave = "" if mapping.leave is None else mapping.leave.event
        self.identified = mapping.authenticated.event if mapping.authenticated.source == "event" else ""
        self.authenticate = mapping.auth.event if mapping.authenticated.source == "ack" else ""
        self.identified_by_connect = mapping.authenticated.source == "connect"
        commands = (mapping.join, mapping.leave, mapping.send, mapping.typing_start, mapping.typing_stop)
        templates = {row.event: row.args for row in commands if row is not None and row.event}
        self.in_room = frozenset(templates) - {self.join, ""}
        """Events that a client may send to a room that it has joined."""
        self._rooms = {event: _find(args, "{conversationId}") for event, args in templates.items()}
        self._keys = {event: _find(args, "{clientMessageId}") for event, args in templates.items()}
        self._contents = {event: _find(args, "{content}") for event, args in templates.items()}
        self._received_room = compile_path(received.conversation_id)
        self._received_id = compile_path(received.message_id)
        self._received_content = compile_path(received.content)
        self._received_sender = compile_path(received.sender_id)
        self._acked_id = compile_path(mapping.send.ack.message_id)
        self._user = compile_path(mapping.authenticated.user_id)
        self._role = compile_path(mapping.authenticated.role)
        self._joined_room = compile_path(mapping.join.conversation_id)
        self._success = compile_path(mapping.send.ack.success)
        self._accepts = mapping.send.ack.equals
        self._error = compile_path(mapping.send.ack.error)
        typing = mapping.typing_indicator
        self._typing = () if typing is None else (typing.event, typing.stop_event)
        self._typing_room = compile_path("" if typing is None else typing.conversation_id)

    def sent_room(self, event: str, args: Sequence[object]) -> str:
        """Return the room of a client's event, or an empty string."""
        found = _read(self._rooms.get(event), args)
        return found or _named(args, ROOM_NAMES)

    def sent_key(self, event: str, args: Sequence[object]) -> str:
        """Return the client's own id of a message."""
        return _read(self._keys.get(event), args) or _named(args, KEY_NAMES)

    def sent_content(self, event: str, args: Sequence[object]) -> str:
        """Return the text of a sent message."""
        return _read(self._contents.get(event), args)

    def received_room(self, event: str, args: Sequence[object]) -> str:
        """Return the room of a server's event."""
        if event == self.delivery:
            found = _read(self._received_room, args)
        elif event == self.joined:
            found = _read(self._joined_room, args)
        else:
            found = _read(self._typing_room, args) if event in self._typing else ""
        return found or _named(args, ROOM_NAMES)

    def received_message(self, args: Sequence[object]) -> str:
        """Return the server's id of a delivered message."""
        return _read(self._received_id, args) or _named(args, MESSAGE_NAMES)

    def received_key(self, args: Sequence[object]) -> str:
        """Return the client's own id of a delivered message, if the server passes it on."""
        return _named(args, KEY_NAMES)

    def received_content(self, args: Sequence[object]) -> str:
        """Return the text of a delivered message."""
        return _read(self._received_content, args)

    def received_sender(self, args: Sequence[object]) -> str:
        """Return the id of a delivered message's sender."""
        return _read(self._received_sender, args)

    def acked_message(self, values: Sequence[object]) -> str:
        """Return the server's id in the ack of a message."""
        return _read(self._acked_id, values) or _named(values, MESSAGE_NAMES)

    def identity(self, args: Sequence[object]) -> tuple[str, str]:
        """Return user id and role in the confirmation of credentials."""
        return _read(self._user, args), _read(self._role, args)

    def outcome(self, values: Sequence[object]) -> tuple[bool | None, str]:
        """Return whether an ack accepts the request, None if it does not say so, and the code of an error."""
        success, error = self._success(values), self._error(values)
        if isinstance(error, dict):
            error = error.get("code") or error.get("message")
        reason = error if isinstance(error, str) else ""
        if type(success) is type(self._accepts):
            return success == self._accepts, reason
        return (False, reason) if reason else (None, "")


def read_seq(args: Sequence[object]) -> int | None:
    """Return the number of a message within its room; None without one."""
    first = args[0] if args else None
    seq = first.get("seq") if isinstance(first, dict) else None
    return seq if isinstance(seq, int) and not isinstance(seq, bool) else None


def _named(args: Sequence[object], names: Sequence[str]) -> str:
    first = args[0] if args else None
    if isinstance(first, dict):
        for name in names:
            text = _text(first.get(name))
            if text:
                return text
    return ""


def _read(reader: PathReader | None, args: Sequence[object]) -> str:
    return "" if reader is None else _text(reader(args))


def _text(value: object) -> str:
    if value is ABSENT or isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int) else ""


def _find(template: list[Any], placeholder: str) -> PathReader | None:
    """Return a reader of the place that a placeholder has in the arguments of an event."""
    for number, argument in enumerate(template):
        path = _path_to(argument, placeholder)
        if path is not None:
            return compile_path(".".join([f"@{number}", *path]))
    return None


def _path_to(value: object, placeholder: str) -> list[str] | None:
    if value == placeholder:
        return []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        path = _path_to(inner, placeholder)
        if path is not None:
            return [str(name), *path]
    return None
