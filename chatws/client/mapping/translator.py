"""Translator of one client's packets between the guide's names and those of a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from chatws.client.mapping.acks import AckReader, Fields, compile_ack
from chatws.client.mapping.errors import NotMapped
from chatws.client.mapping.incoming import compile_events, fields_reader, translate_values
from chatws.client.mapping.model import AckMapping, CommandMapping, MembershipMapping, ServerMapping
from chatws.client.mapping.templates import TemplateWriter, compile_template
from chatws.protocol.spec import COMMANDS, EVENTS

USER_PLACEHOLDERS: Final = ("userId", "userName", "role", "credential")
ROOM_PLACEHOLDERS: Final = ("conversationId", *USER_PLACEHOLDERS)
MESSAGE_PLACEHOLDERS: Final = ("content", "clientMessageId", *ROOM_PLACEHOLDERS)
CREDENTIAL_PLACEHOLDERS: Final = ("credential",)
_KNOWN_FIELDS: Final = frozenset(MESSAGE_PLACEHOLDERS)
_CREDENTIAL_FIELDS: Final = frozenset({"token", "sessionId"})


class OutgoingEvent(msgspec.Struct, frozen=True):
    """Event as the server expects it."""

    name: str
    """Empty: there is nothing to send."""
    args: list[Any]
    ack: AckMapping
    confirmed_by: str = ""
    """For a join or leave: ``event``, ``ack`` or ``none``."""

    @property
    def requests_ack(self) -> bool:
        """Whether it has an ack id."""
        return self.ack.kind != "none"

    @property
    def awaits_ack(self) -> bool:
        """Whether the server certainly acks it."""
        return self.ack.kind in {"value", "empty"}


class ConnectRequest(msgspec.Struct, frozen=True):
    """Parts of a connection attempt that depend on the server and the credentials."""

    path: str
    query: str
    """Parameters to append to the URL; empty, or with a leading ``&``."""
    headers: dict[str, str]
    namespace: str
    auth: object
    """Payload of CONNECT."""


class _CompiledCommand(msgspec.Struct, frozen=True):
    event: str
    write: TemplateWriter
    ack: AckMapping
    confirmed_by: str


class CompiledMapping:
    """Mapping whose paths and templates are compiled; all clients of a process share one."""

    def __init__(self, mapping: ServerMapping) -> None:
        self.mapping = mapping
        rows: dict[str, CommandMapping | MembershipMapping | None] = {
            "join_conversation": mapping.join,
            "leave_conversation": mapping.leave,
            "send_message": mapping.send,
            "typing_start": mapping.typing_start,
            "typing_stop": mapping.typing_stop,
        }
        self.commands = {name: _compile_command(row) for name, row in rows.items() if row is not None}
        self.acks: dict[str, AckReader] = {name: compile_ack(row.ack) for name, row in self.commands.items()}
        self.acks["authenticate"] = compile_ack(mapping.auth.ack)
        self.events = compile_events(mapping)
        self.role = translate_values(mapping.roles)
        auth, identity = mapping.auth, mapping.authenticated
        self.agent = compile_template(auth.agent, CREDENTIAL_PLACEHOLDERS)
        self.customer = compile_template(auth.customer, CREDENTIAL_PLACEHOLDERS)
        self.read_identity = fields_reader(userId=identity.user_id, userName=identity.user_name, role=identity.role)
        rooms = {
            "message_received": mapping.message_received.conversation_id,
            "joined_conversation": mapping.join.conversation_id,
            "left_conversation": "" if mapping.leave is None else mapping.leave.conversation_id,
        }
        self.roomless = frozenset(name for name, path in rooms.items() if not path)
        """Events of the guide whose conversation the server does not name."""
        self.event_names = frozenset(name for rows in self.events.values() for name, _ in rows) | {"authenticated"}
        """Events of the guide that the mapping offers."""


class ServerTranslator:
    """Translator for one client, which remembers its credentials, its user and the conversation it joined last."""

    def __init__(self, compiled: CompiledMapping) -> None:
        self.mapping = compiled.mapping
        self._compiled = compiled
        self._user: Fields = {}
        self.conversation_id = ""
        """Conversation of the last join or leave: the one of events that name none."""

    def connect(self, credentials: Mapping[str, object] | None) -> ConnectRequest:
        """Begin a connection with the guide's credentials: ``token`` of an agent or ``sessionId`` of a customer."""
        server, auth = self.mapping.server, self.mapping.auth
        fields = {} if credentials is None else credentials
        credential = fields.get("token", fields.get("sessionId", ""))
        role = "admin" if "token" in fields else "customer"
        self._user = {"credential": credential, "userId": credential, "userName": credential, "role": role}
        form = None if credentials is None else self._credentials(fields)
        texts = {str(key): str(value) for key, value in form.items()} if isinstance(form, dict) else {}
        return ConnectRequest(
            path=server.path,
            query=f"&{urlencode(texts)}" if texts and auth.method == "query" else "",
            headers=texts if auth.method == "headers" else {},
            namespace=server.namespace,
            auth=form if auth.method == "connect" else None,
        )

    def sign_in(self, credentials: Mapping[str, object]) -> OutgoingEvent:
        """Return the event that presents credentials.

        Raises:
            NotMapped: the server expects them elsewhere.
        """
        auth = self.mapping.auth
        if auth.method != "event":
            raise NotMapped("`authenticate`: its auth.method is not event")
        form = self._credentials(credentials)
        return OutgoingEvent(auth.event, form if isinstance(form, list) else [form], auth.ack)

    def identify(self, args: Sequence[object]) -> Fields:
        """Return the guide's ``authenticated`` from the event, ack or CONNECT reply that confirms the credentials."""
        self._user |= self._compiled.read_identity(args)
        if "role" in self._user:
            self._user["role"] = self._compiled.role(self._user["role"])
        return {name: value for name, value in self._user.items() if name != "credential"}

    def command(self, name: str, payload: object) -> OutgoingEvent:
        """Translate a command; one that the guide's additions do not have either is returned unchanged.

        Raises:
            NotMapped: the mapping has no such command.
        """
        row = self._compiled.commands.get(name)
        if row is None:
            if name in COMMANDS:
                raise NotMapped(name)
            return OutgoingEvent(name, [payload], AckMapping())
        fields = payload if isinstance(payload, dict) else {"conversationId": payload}
        if row.confirmed_by:
            self.conversation_id = str(fields.get("conversationId", ""))
        elif name == "send_message" and not isinstance(payload, dict):
            return OutgoingEvent(row.event, [payload], row.ack)
        args = row.write({**self._user, **fields})
        assert isinstance(args, list)
        _add_unknown_fields(args, fields)
        return OutgoingEvent(row.event, args, row.ack, row.confirmed_by)

    def reply(self, name: str, values: Sequence[object]) -> Fields | None:
        """Translate the ack of a command; None if it decides nothing.

        Raises:
            AckShapeError: the ack has another shape than the mapping describes.
        """
        read = self._compiled.acks.get(name)
        if read is None:
            first = values[0] if values else None
            return first if isinstance(first, dict) else {}
        return read(values)

    def is_authenticated(self, name: str) -> bool:
        """Return whether this event of the server confirms the credentials."""
        identity = self.mapping.authenticated
        return identity.source == "event" and name == identity.event

    def events(self, name: str, args: Sequence[object]) -> list[tuple[str, Any]]:
        """Translate an event of the server; one without a meaning in the guide is returned unchanged."""
        rows = self._compiled.events.get(name)
        if self.is_authenticated(name):
            return [("authenticated", self.identify(args))]
        if rows is None:
            # Another meaning under one of the guide's names must not be mistaken for the guide's event.
            return [] if name in EVENTS else [(name, args[0] if args else None)]
        translated = [(guide_name, read(args)) for guide_name, read in rows]
        for guide_name, fields in translated:
            if guide_name in self._compiled.roomless:
                fields.setdefault("conversationId", self.conversation_id)
        return translated

    def require_event(self, name: str) -> None:
        """Check that the mapping offers an event of the guide.

        Raises:
            NotMapped: it does not.
        """
        if name not in self._compiled.event_names and name in EVENTS:
            membership = {"joined_conversation": self.mapping.join, "left_conversation": self.mapping.leave}.get(name)
            if membership is None:
                raise NotMapped(name)

    def _credentials(self, fields: Mapping[str, object]) -> dict[str, Any] | list[Any]:
        """Fill in the form of the credentials; fields that the guide does not have are added."""
        forms = [
            write({"credential": fields[name]})
            for name, write in (("sessionId", self._compiled.customer), ("token", self._compiled.agent))
            if name in fields
        ]
        merged: dict[str, Any] = {}
        for form in forms:
            if isinstance(form, list):
                return form
            if isinstance(form, dict):
                merged |= form
        return merged | {name: value for name, value in fields.items() if name not in _CREDENTIAL_FIELDS}


def _compile_command(row: CommandMapping | MembershipMapping) -> _CompiledCommand:
    return _CompiledCommand(
        row.event,
        compile_template(row.args, MESSAGE_PLACEHOLDERS),
        row.ack,
        row.confirmed_by if isinstance(row, MembershipMapping) else "",
    )


def _add_unknown_fields(args: list[Any], fields: Mapping[str, object]) -> None:
    """Add fields that the guide does not have, such as a forged sender, to the first object of the arguments."""
    if not fields.keys() <= _KNOWN_FIELDS:
        unknown = {name: value for name, value in fields.items() if name not in _KNOWN_FIELDS}
        target = next((arg for arg in args if isinstance(arg, dict)), None)
        if target is not None:
            target.update(unknown)
