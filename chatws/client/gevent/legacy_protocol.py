"""Adapter for servers that implement only the guide: fills in the fields and acks that the contract adds.

Such a server does not number messages, so each gets a ``seq`` by its arrival; it stores no positions, so messages
missed during a disconnect stay lost; it acks messages, and the guide leaves open whether it acks other commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from chatws.client.core.event_names import Command, Event
from chatws.protocol import limits
from chatws.protocol.commands import JoinConversation, SendMessage
from chatws.protocol.entities import Conversation, Message, Presence, Role, User, Wire
from chatws.protocol.errors import ERRORS, ErrorBody, ErrorCode
from chatws.protocol.events import Authenticated, Failed, Timers, TypingIndicator
from chatws.protocol.responses import JoinAck, Ok, Refused, SendAck

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN_TIME = "1970-01-01T00:00:00.000Z"
TIMERS = Timers(
    typing_resend_ms=limits.TYPING_RESEND_MS,
    typing_expire_ms=limits.TYPING_EXPIRE_MS,
    presence_grace_ms=limits.PRESENCE_GRACE_MS,
    positions_ms=limits.POSITIONS_MS,
)
ACKED_LOCALLY = frozenset({Command.TYPING_START, Command.TYPING_STOP, Command.LEAVE_CONVERSATION})
"""Commands of the guide that its server need not ack."""


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


class LegacyTyping(Wire, frozen=True, kw_only=True):
    """``typing_indicator`` of the guide, which does not name the conversation."""

    user_id: str
    user_name: str = ""
    is_typing: bool


class LegacyError(Wire, frozen=True, kw_only=True):
    """``error`` of the guide."""

    message: str = ""


class LegacyJoined(Wire, frozen=True, kw_only=True):
    """``joined_conversation`` of the guide."""

    conversation_id: str


class LegacyAck(Wire, frozen=True, kw_only=True):
    """Ack of the guide, with ``success``."""

    success: bool | UnsetType = UNSET
    error: msgspec.Raw | UnsetType = UNSET


class LegacyProtocolAdapter:
    """State of the adapter, for one client across its connections."""

    def __init__(self) -> None:
        self._heads: dict[str, int] = {}
        """``seq`` of the last message by conversation."""
        self._joins: dict[str, int] = {}
        """Command ids of pending joins by conversation."""
        self._last_ids: dict[str, str] = {}
        """Id of the last message sent, by conversation; a message with the same id is a retry."""
        self._translators: dict[str, Callable[[msgspec.Raw], object]] = {
            Event.MESSAGE_RECEIVED: self._message,
            Event.TYPING_INDICATOR: self._typing,
            Event.PRESENCE_UPDATE: msgspec.json.Decoder(Presence).decode,
            Event.ERROR: _error,
        }

    def authenticate(self, raw: msgspec.Raw) -> Authenticated:
        """Fill in ``authenticated``; an invalid payload yields an unknown user."""
        self._joins.clear()
        try:
            payload = msgspec.json.decode(raw, type=LegacyAuthenticated)
        except msgspec.DecodeError:
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

    def translate(self, name: str, raw: msgspec.Raw) -> object:
        """Fill in the payload of an event; an invalid one is returned as received."""
        translator = self._translators.get(name)
        try:
            return raw if translator is None else translator(raw)
        except msgspec.DecodeError:
            return raw

    def prepare(self, command_id: int, name: str, payload: Wire | str) -> Ok | Refused | None:
        """Return the reply to a request before it is sent; None when the server replies.

        A refusal means that the guide has no such command: it must not be sent.
        """
        if name == Command.JOIN_CONVERSATION:
            self._joins[_conversation_of(payload)] = command_id
            return None
        if name == Command.SEND_MESSAGE:
            return None
        return Ok() if name in ACKED_LOCALLY else refuse(ErrorCode.UNKNOWN_EVENT)

    def is_repeat(self, message: SendMessage) -> bool:
        """Record a sent message; return True if it was sent before, which this server cannot detect."""
        last_id = self._last_ids.get(message.conversation_id)
        self._last_ids[message.conversation_id] = str(message.client_message_id)
        return last_id == message.client_message_id

    def payload(self, payload: Wire | str) -> object:
        """Convert the payload of a command to the guide's form."""
        if isinstance(payload, JoinConversation):
            return payload.conversation_id
        if isinstance(payload, SendMessage):
            return {"conversationId": payload.conversation_id, "content": payload.content}
        return payload

    def reply(self, name: str, raw: msgspec.Raw) -> Ok | Refused | None:
        """Fill in an ack; None for a join, which ``joined_conversation`` completes.

        Raises:
            msgspec.DecodeError: the ack is not one of the guide.
        """
        ack = msgspec.json.decode(raw, type=LegacyAck)
        if name == Command.SEND_MESSAGE and ack.success is UNSET and ack.error is UNSET:
            raise msgspec.ValidationError("the ack carries no `success`")
        if ack.success is False or (ack.success is UNSET and ack.error is not UNSET):
            return refuse(ErrorCode.FORBIDDEN if name == Command.JOIN_CONVERSATION else ErrorCode.INTERNAL)
        if name == Command.JOIN_CONVERSATION:
            return None
        return SendAck(message_id="", seq=0, timestamp=UNKNOWN_TIME)

    def joined(self, raw: msgspec.Raw) -> tuple[int, JoinAck] | None:
        """Return command id and ack of the join that ``joined_conversation`` completes; None without such a join."""
        try:
            conversation_id = msgspec.json.decode(raw, type=LegacyJoined).conversation_id
        except msgspec.DecodeError:
            return None
        command_id = self._joins.pop(conversation_id, None)
        if command_id is None:
            return None
        return command_id, JoinAck(
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

    def _message(self, raw: msgspec.Raw) -> Message:
        payload = msgspec.json.decode(raw, type=LegacyMessage)
        seq = self._heads.get(payload.conversation_id, 0) + 1
        self._heads[payload.conversation_id] = seq
        sender = User(user_id=payload.sender.user_id, user_name=payload.sender.user_name, role=payload.sender.role)
        return Message(
            conversation_id=payload.conversation_id,
            content=payload.content,
            sender=sender,
            timestamp=payload.timestamp,
            message_id="",
            seq=seq,
        )

    def _typing(self, raw: msgspec.Raw) -> TypingIndicator:
        payload = msgspec.json.decode(raw, type=LegacyTyping)
        return TypingIndicator(
            conversation_id=next(iter(self._heads), ""),
            user_id=payload.user_id,
            user_name=payload.user_name,
            is_typing=payload.is_typing,
        )


def refuse(code: ErrorCode) -> Refused:
    """Create the refusal of a request."""
    row = ERRORS[code]
    return Refused(error=ErrorBody(code=code, message=row.text, retryable=row.retryable))


def _error(raw: msgspec.Raw) -> Failed:
    return Failed(message=msgspec.json.decode(raw, type=LegacyError).message, code=ErrorCode.INTERNAL)


def _conversation_of(payload: Wire | str) -> str:
    return payload.conversation_id if isinstance(payload, JoinConversation) else str(payload)
