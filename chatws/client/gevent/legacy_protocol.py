"""Adapter for servers that implement only the guide, or the events of a mapping file.

It fills in the fields and acks that the contract adds. Such a server does not number messages, so each gets a ``seq``
by its arrival; it stores no positions, so messages missed during a disconnect stay lost; the mapping says which
commands it acks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from chatws.client.core.event_names import Command, Event
from chatws.client.gevent.connection import decode_reply
from chatws.client.mapping import (
    GUIDE_MAPPING,
    AckShapeError,
    CompiledMapping,
    NotMapped,
    OutgoingEvent,
    ServerTranslator,
)
from chatws.protocol import limits
from chatws.protocol.commands import JoinConversation, SendMessage
from chatws.protocol.entities import Conversation, Message, Presence, Role, User, Wire
from chatws.protocol.errors import ERRORS, ErrorBody, ErrorCode
from chatws.protocol.events import Authenticated, Failed, Timers, TypingIndicator
from chatws.protocol.responses import JoinAck, Ok, Refused, SendAck

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.client.gevent.endpoint import Endpoint

UNKNOWN_TIME = "1970-01-01T00:00:00.000Z"
TIMERS = Timers(
    typing_resend_ms=limits.TYPING_RESEND_MS,
    typing_expire_ms=limits.TYPING_EXPIRE_MS,
    presence_grace_ms=limits.PRESENCE_GRACE_MS,
    positions_ms=limits.POSITIONS_MS,
)
ACKED_LOCALLY = frozenset({Command.TYPING_START, Command.TYPING_STOP, Command.LEAVE_CONVERSATION})
"""Commands of the guide that its server need not ack."""

JOINED = "joined_conversation"
SENT = SendAck(message_id="", seq=0, timestamp=UNKNOWN_TIME)
"""Ack of a message by a server that numbers none."""


class LegacyAuthenticated(Wire, frozen=True, kw_only=True):
    """``authenticated`` of the guide."""

    user_id: str
    user_name: str = ""
    role: Role = "customer"


class LegacySender(Wire, frozen=True, kw_only=True):
    """``sender`` of the guide, where ``userName`` is optional."""

    user_id: str
    user_name: str = ""
    role: Role = "customer"


class LegacyMessage(Wire, frozen=True, kw_only=True):
    """``MessageData`` of the guide."""

    conversation_id: str
    content: str
    sender: LegacySender
    timestamp: str = UNKNOWN_TIME
    message_id: str = ""


class LegacyTyping(Wire, frozen=True, kw_only=True):
    """``typing_indicator`` of the guide, which does not name the conversation."""

    user_id: str
    user_name: str = ""
    is_typing: bool
    conversation_id: str = ""


class LegacyError(Wire, frozen=True, kw_only=True):
    """``error`` of the guide."""

    message: str = ""


class PreparedCommand(msgspec.Struct, frozen=True):
    """Command as the server expects it, and the reply if the server sends none."""

    outgoing: OutgoingEvent | None = None
    """None: the server has no such command, and nothing is sent."""
    reply: Ok | Refused | None = None
    """None: the server replies."""


_decode_message = msgspec.json.Decoder(LegacyMessage).decode


@cache
def guide_mapping() -> CompiledMapping:
    """Return the compiled mapping of the guide itself."""
    return CompiledMapping(GUIDE_MAPPING)


class LegacyProtocolAdapter:
    """State of the adapter, for one client across its connections."""

    def __init__(self, mapping: CompiledMapping | None = None) -> None:
        """Create an adapter; without a mapping, that of the guide."""
        self._translator = ServerTranslator(mapping or guide_mapping())
        self._is_guide = mapping is None
        self._heads: dict[str, int] = {}
        """``seq`` of the last message by conversation."""
        self._joins: dict[str, int] = {}
        """Command ids of pending joins by conversation."""
        self._last_ids: dict[str, str] = {}
        """Id of the last message sent, by conversation; a message with the same id is a retry."""
        self._builders: dict[str, Callable[[dict[str, Any]], object]] = {
            Event.AUTHENTICATED: self._authenticated,
            Event.MESSAGE_RECEIVED: self._message,
            Event.TYPING_INDICATOR: self._typing,
            Event.PRESENCE_UPDATE: self._presence,
            Event.ERROR: _error,
            JOINED: lambda fields: fields,
        }

    # Connecting

    def connect(self, endpoint: Endpoint, credentials: Mapping[str, str]) -> tuple[Endpoint, Any]:
        """Return the endpoint for a connection attempt with these credentials, and the payload of CONNECT."""
        self._joins.clear()
        request, mapping = self._translator.connect(credentials), self._translator.mapping
        is_acked = mapping.authenticated.source == "ack"
        confirmation = f"ack to `{mapping.auth.event}`" if is_acked else f"`{mapping.authenticated.event}` event"
        address = replace(
            endpoint,
            engine_path=request.path,
            query=request.query,
            headers=tuple(request.headers.items()),
            namespace=request.namespace,
            confirmation=confirmation,
        )
        return address, request.auth

    def sign_in(self, credentials: Mapping[str, object]) -> OutgoingEvent | None:
        """Return the event that presents the credentials after CONNECT; None if CONNECT did."""
        return None if self._translator.mapping.auth.method != "event" else self._translator.sign_in(credentials)

    def accept_connect(self, raw_json: str) -> Authenticated | None:
        """Return the user after the reply to CONNECT; None if an event or an ack authenticates it."""
        if self._translator.mapping.authenticated.source != "connect":
            return None
        return self._authenticated(self._translator.identify([decode_reply(raw_json)]))

    def accept_sign_in(self, raw_json: str) -> Authenticated | str:
        """Return the user after the ack of the sign-in, or the reason of the refusal.

        Raises:
            msgspec.DecodeError: the ack is not one of the mapping.
        """
        values = msgspec.json.decode(raw_json, type=list[Any])
        reply = self._translator.reply("authenticate", values)
        if reply is None or reply["success"] is not True:
            return str(reply["error"]["message"] if reply else "") or "the credentials were refused"
        return self._authenticated(self._translator.identify(values))

    # Events

    def events(self, name: str, args: Sequence[msgspec.Raw]) -> list[tuple[str, object]]:
        """Return the contract's events that a server's event stands for; an invalid payload is returned as received."""
        raw = args[0] if args else msgspec.Raw(b"null")
        if self._is_guide and name == Event.MESSAGE_RECEIVED:
            # Nearly all traffic; reading its values path by path would take three times as long.
            try:
                return [(name, self._number(_decode_message(raw)))]
            except msgspec.DecodeError:
                return [(name, raw)]
        translated = self._translator.events(name, [msgspec.json.decode(arg) for arg in args])
        return [(guide_name, self._build(guide_name, fields, raw)) for guide_name, fields in translated]

    def joined(self, fields: object) -> tuple[int, JoinAck] | None:
        """Return command id and ack of the join that ``joined_conversation`` completes; None without such a join."""
        conversation_id = fields.get("conversationId") if isinstance(fields, dict) else None
        command_id = None if conversation_id is None else self._joins.pop(conversation_id, None)
        return None if command_id is None else (command_id, self._join_ack(str(conversation_id)))

    # Commands and acks

    def prepare(self, command_id: int, name: str, payload: Wire | str) -> PreparedCommand:
        """Translate a request, with its reply if the server sends none."""
        fields = _fields_of(payload)
        if fields is None:
            return PreparedCommand(reply=refuse(ErrorCode.UNKNOWN_EVENT))
        try:
            outgoing = self._translator.command(name, fields)
        except NotMapped:
            return PreparedCommand(reply=Ok() if name in ACKED_LOCALLY else refuse(ErrorCode.UNKNOWN_EVENT))
        reply: Ok | None = Ok()
        if name == Command.JOIN_CONVERSATION:
            conversation_id = str(fields["conversationId"])
            self._joins[conversation_id] = command_id
            reply = self._join_ack(conversation_id) if outgoing.confirmed_by == "none" else None
        elif name == Command.SEND_MESSAGE:
            reply = None if outgoing.requests_ack else SENT
        return PreparedCommand(outgoing if outgoing.name else None, reply)

    def is_repeat(self, message: SendMessage) -> bool:
        """Record a sent message; return True if it was sent before, which this server cannot detect."""
        last_id = self._last_ids.get(message.conversation_id)
        self._last_ids[message.conversation_id] = str(message.client_message_id)
        return last_id == message.client_message_id

    def reply(self, command_id: int, name: str, raw_json: str) -> Ok | Refused | None:
        """Fill in an ack, given as its JSON array; None if it decides nothing: an event completes the join.

        Raises:
            msgspec.DecodeError: the ack has another shape than the mapping describes.
        """
        reply = self._translator.reply(name, msgspec.json.decode(raw_json, type=list[Any]))
        if reply is None:
            return None
        if reply["success"] is not True:
            return refuse(ErrorCode.FORBIDDEN if name == Command.JOIN_CONVERSATION else ErrorCode.INTERNAL)
        if name == Command.SEND_MESSAGE:
            message_id = reply.get("messageId")
            return SENT if message_id is None else SendAck(message_id=message_id, seq=0, timestamp=UNKNOWN_TIME)
        if name != Command.JOIN_CONVERSATION or self._translator.mapping.join.confirmed_by != "ack":
            return None
        conversation_id = next((key for key, pending in self._joins.items() if pending == command_id), None)
        if conversation_id is None:
            raise AckShapeError("the ack belongs to no join")
        del self._joins[conversation_id]
        return self._join_ack(conversation_id)

    # Payloads

    def _build(self, name: str, fields: Any, raw: msgspec.Raw) -> object:  # noqa: ANN401 - parsed JSON
        builder = self._builders.get(name)
        try:
            return raw if builder is None else builder(fields)
        except msgspec.ValidationError:
            return raw

    def _authenticated(self, fields: dict[str, Any]) -> Authenticated:
        """Fill in ``authenticated``; an invalid payload yields an unknown user."""
        try:
            payload = msgspec.convert(fields, LegacyAuthenticated)
        except msgspec.ValidationError:
            payload = LegacyAuthenticated(user_id="unknown")
        return Authenticated(
            user_id=payload.user_id,
            user_name=payload.user_name,
            role=payload.role,
            expires_at=UNKNOWN_TIME,
            server_time=UNKNOWN_TIME,
            epoch="",
            timers=TIMERS,
        )

    def _message(self, fields: dict[str, Any]) -> Message:
        if not self._translator.mapping.message_received.sender_id:
            fields["sender"] = {"userId": "", **fields.get("sender", {})}
        return self._number(msgspec.convert(fields, LegacyMessage))

    def _number(self, payload: LegacyMessage) -> Message:
        seq = self._heads.get(payload.conversation_id, 0) + 1
        self._heads[payload.conversation_id] = seq
        sender = User(user_id=payload.sender.user_id, user_name=payload.sender.user_name, role=payload.sender.role)
        return Message(
            conversation_id=payload.conversation_id,
            content=payload.content,
            sender=sender,
            timestamp=payload.timestamp,
            message_id=payload.message_id,
            seq=seq,
        )

    def _typing(self, fields: dict[str, Any]) -> TypingIndicator:
        payload = msgspec.convert(fields, LegacyTyping)
        return TypingIndicator(
            conversation_id=payload.conversation_id or next(iter(self._heads), ""),
            user_id=payload.user_id,
            user_name=payload.user_name,
            is_typing=payload.is_typing,
        )

    def _presence(self, fields: dict[str, Any]) -> Presence:
        presence = self._translator.mapping.presence_update
        if presence is not None and not presence.timestamp:
            fields["timestamp"] = UNKNOWN_TIME
        return msgspec.convert(fields, Presence)

    def _join_ack(self, conversation_id: str) -> JoinAck:
        return JoinAck(
            conversation=self._conversation(conversation_id),
            epoch="",
            recovered=True,
            messages=[],
            has_more=False,
            read_marks=[],
            typing=[],
            presence=[],
        )

    def _conversation(self, conversation_id: str) -> Conversation:
        return Conversation(
            conversation_id=conversation_id,
            status="queued",
            version=0,
            customer=User(user_id="", user_name="", role="customer"),
            assignee=None,
            created_at=UNKNOWN_TIME,
            updated_at=UNKNOWN_TIME,
            head_seq=self._heads.setdefault(conversation_id, 0),
            last_message=None,
        )


def refuse(code: ErrorCode) -> Refused:
    """Create the refusal of a request."""
    row = ERRORS[code]
    return Refused(error=ErrorBody(code=code, message=row.text, retryable=row.retryable))


def _error(fields: dict[str, Any]) -> Failed:
    return Failed(message=msgspec.convert(fields, LegacyError).message, code=ErrorCode.INTERNAL)


def _fields_of(payload: Wire | str) -> dict[str, Any] | None:
    """Return the guide's fields of a command; None for a command that the guide does not have."""
    match payload:
        case str():
            return {"conversationId": payload}
        case JoinConversation():
            return {"conversationId": payload.conversation_id}
        case SendMessage():
            fields = {"conversationId": payload.conversation_id, "content": payload.content}
            if payload.client_message_id is not UNSET:
                fields["clientMessageId"] = payload.client_message_id
            return fields
    return None
