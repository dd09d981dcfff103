"""A server that knows only the guide, as the session has to see it: what it leaves out is filled in here.

It numbers no messages, so each gets a ``seq`` by its arrival; it remembers no positions, so what was missed while away
stays missed; it acks messages, and whether it acks anything else is left open by the guide.
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
ANSWERED_HERE = frozenset({Command.TYPING_START, Command.TYPING_STOP, Command.LEAVE_CONVERSATION})
"""Requests of the guide that its server need not ack."""


class LegacyAuthenticated(Wire, frozen=True, kw_only=True):
    """The guide's ``authenticated``."""

    user_id: str
    user_name: str = ""
    role: Role = "customer"


class LegacySender(Wire, frozen=True, kw_only=True):
    """The guide's ``sender``; ``userName`` is optional there."""

    user_id: str
    user_name: str = ""
    role: Role = "customer"


class LegacyMessage(Wire, frozen=True, kw_only=True):
    """The guide's ``MessageData``."""

    conversation_id: str
    content: str
    sender: LegacySender
    timestamp: str = UNKNOWN_TIME


class LegacyTyping(Wire, frozen=True, kw_only=True):
    """The guide's ``typing_indicator``, which does not say where."""

    user_id: str
    user_name: str = ""
    is_typing: bool


class LegacyError(Wire, frozen=True, kw_only=True):
    """The guide's ``error``."""

    message: str = ""


class LegacyJoined(Wire, frozen=True, kw_only=True):
    """The guide's ``joined_conversation``."""

    conversation_id: str


class LegacyAck(Wire, frozen=True, kw_only=True):
    """The guide's ack: ``ack.success``."""

    success: bool | UnsetType = UNSET
    error: msgspec.Raw | UnsetType = UNSET


class LegacyProtocolAdapter:
    """The state that filling in takes, for one client across its connections."""

    def __init__(self) -> None:
        self._heads: dict[str, int] = {}
        # Joins that were sent and not answered: conversation → command id.
        self._joins: dict[str, int] = {}
        # The last message that left, by conversation: the next one with its id is its repeat.
        self._last_ids: dict[str, str] = {}
        self._translators: dict[str, Callable[[msgspec.Raw], object]] = {
            Event.MESSAGE_RECEIVED: self._message,
            Event.TYPING_INDICATOR: self._typing,
            Event.PRESENCE_UPDATE: msgspec.json.Decoder(Presence).decode,
            Event.ERROR: _error,
        }

    def authenticate(self, raw: msgspec.Raw) -> Authenticated:
        """Fill in ``authenticated``; one that is not even the guide's names nobody."""
        self._joins.clear()
        try:
            greeting = msgspec.json.decode(raw, type=LegacyAuthenticated)
        except msgspec.DecodeError:
            greeting = LegacyAuthenticated(user_id="unknown")
        return Authenticated(
            user_id=greeting.user_id,
            user_name=greeting.user_name,
            role=greeting.role,
            expires_at=UNKNOWN_TIME,
            server_time=UNKNOWN_TIME,
            epoch="",
            timers=TIMERS,
        )

    def translate(self, name: str, raw: msgspec.Raw) -> object:
        """Fill in an event's payload; raw as it came when it is not the guide's."""
        translator = self._translators.get(name)
        try:
            return raw if translator is None else translator(raw)
        except msgspec.DecodeError:
            return raw

    def prepare(self, command_id: int, name: str, payload: Wire | str) -> Ok | Refused | None:
        """Say before a request leaves what its answer is; None when the server's own counts.

        A refusal means that the guide has no such request: it must not be sent.
        """
        if name == Command.JOIN_CONVERSATION:
            self._joins[_conversation_of(payload)] = command_id
            return None
        if name == Command.SEND_MESSAGE:
            return None
        return Ok() if name in ANSWERED_HERE else refuse(ErrorCode.UNKNOWN_EVENT)

    def is_repeat(self, message: SendMessage) -> bool:
        """Note that a message leaves; whether it has left before, which this server has no means to know."""
        last_id = self._last_ids.get(message.conversation_id)
        self._last_ids[message.conversation_id] = str(message.client_message_id)
        return last_id == message.client_message_id

    def payload(self, payload: Wire | str) -> object:
        """Give a request's payload in the guide's form."""
        if isinstance(payload, JoinConversation):
            return payload.conversation_id
        if isinstance(payload, SendMessage):
            return {"conversationId": payload.conversation_id, "content": payload.content}
        return payload

    def reply(self, name: str, raw: msgspec.Raw) -> Ok | Refused | None:
        """Fill in an ack; None when it decides nothing, as a join's, whose event does.

        Raises:
            msgspec.DecodeError: it is not the guide's.
        """
        ack = msgspec.json.decode(raw, type=LegacyAck)
        if ack.success is False or (ack.success is UNSET and ack.error is not UNSET):
            return refuse(ErrorCode.FORBIDDEN if name == Command.JOIN_CONVERSATION else ErrorCode.INTERNAL)
        if name == Command.JOIN_CONVERSATION:
            return None
        return SendAck(message_id="", seq=0, timestamp=UNKNOWN_TIME)

    def joined(self, raw: msgspec.Raw) -> tuple[int, JoinAck] | None:
        """Answer the join that ``joined_conversation`` is about; None when it is about none."""
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
        plain = msgspec.json.decode(raw, type=LegacyMessage)
        seq = self._heads.get(plain.conversation_id, 0) + 1
        self._heads[plain.conversation_id] = seq
        sender = User(user_id=plain.sender.user_id, user_name=plain.sender.user_name, role=plain.sender.role)
        return Message(
            conversation_id=plain.conversation_id,
            content=plain.content,
            sender=sender,
            timestamp=plain.timestamp,
            message_id="",
            seq=seq,
        )

    def _typing(self, raw: msgspec.Raw) -> TypingIndicator:
        plain = msgspec.json.decode(raw, type=LegacyTyping)
        return TypingIndicator(
            conversation_id=next(iter(self._heads), ""),
            user_id=plain.user_id,
            user_name=plain.user_name,
            is_typing=plain.is_typing,
        )


def refuse(code: ErrorCode) -> Refused:
    """Make the refusal of a request."""
    row = ERRORS[code]
    return Refused(error=ErrorBody(code=code, message=row.text, retryable=row.retryable))


def _error(raw: msgspec.Raw) -> Failed:
    return Failed(message=msgspec.json.decode(raw, type=LegacyError).message, code=ErrorCode.INTERNAL)


def _conversation_of(payload: Wire | str) -> str:
    return payload.conversation_id if isinstance(payload, JoinConversation) else str(payload)
