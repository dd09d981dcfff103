"""Conversation in memory: its numbered messages, and the replies that contain them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from msgspec import UNSET

from chatws.protocol.entities import Conversation, Message, Role, User
from chatws.protocol.limits import PAGE_MESSAGES
from chatws.protocol.responses import HistoryAck, JoinAck, SendAck

PEER_ID = "check-peer"
"""User that sends the messages of the situations."""


class ScriptedRoom:
    """Messages of one conversation; ``seq`` is the index plus one."""

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        self.messages: list[Message] = []
        self._created_at = now_text()

    @property
    def head(self) -> int:
        """Highest ``seq``."""
        return len(self.messages)

    def append(
        self, user_id: str, role: Role, content: str, client_message_id: str | None = None
    ) -> tuple[Message, bool]:
        """Store a message once per ``client_message_id``; return it, and whether it was stored before."""
        if client_message_id is not None:
            for message in self.messages:
                if message.client_message_id == client_message_id:
                    return message, True
        message = Message(
            conversation_id=self.conversation_id,
            content=content,
            sender=User(user_id=user_id, user_name=user_id, role=role),
            timestamp=now_text(),
            message_id=secrets.token_hex(8),
            seq=self.head + 1,
            client_message_id=client_message_id or UNSET,
        )
        self.messages.append(message)
        return message, False

    def append_from_peer(self, content: str) -> Message:
        """Store a message of another member."""
        return self.append(PEER_ID, "admin", content)[0]

    def own_contents(self) -> list[str]:
        """Return the contents of the client's messages, in the order of ``seq``."""
        return [message.content for message in self.messages if message.sender.user_id != PEER_ID]

    def conversation(self) -> Conversation:
        """Return the state of the conversation."""
        return Conversation(
            conversation_id=self.conversation_id,
            status="queued",
            version=1,
            customer=User(user_id="client-customer", user_name="Client under test", role="customer"),
            assignee=None,
            created_at=self._created_at,
            updated_at=self._created_at,
            head_seq=self.head,
            last_message=self.messages[-1] if self.messages else None,
        )

    def join_ack(self, epoch: str, after_seq: object, given_epoch: object) -> JoinAck:
        """Return the reply to a join, with the messages after the client's position if it belongs to ``epoch``."""
        is_known = isinstance(after_seq, int) and given_epoch in {None, epoch} and after_seq <= self.head
        missed = self.messages[after_seq:] if is_known and isinstance(after_seq, int) else []
        return JoinAck(
            conversation=self.conversation(),
            epoch=epoch,
            recovered=is_known,
            messages=missed[:PAGE_MESSAGES],
            has_more=len(missed) > PAGE_MESSAGES,
            read_marks=[],
            typing=[],
            presence=[],
        )

    def send_ack(self, message: Message, *, is_duplicate: bool) -> SendAck:
        """Return the ack of a stored message."""
        return SendAck(
            message_id=message.message_id,
            seq=message.seq,
            timestamp=message.timestamp,
            duplicate=True if is_duplicate else UNSET,
        )

    def page(self, after_seq: object, before_seq: object, limit: object) -> HistoryAck:
        """Return a page of history: after or before a ``seq``, or the newest one."""
        size = limit if isinstance(limit, int) else 50
        if isinstance(after_seq, int):
            start, end = after_seq, min(after_seq + size, self.head)
        else:
            end = before_seq - 1 if isinstance(before_seq, int) else self.head
            start = max(0, end - size)
        return HistoryAck(
            messages=self.messages[start:end],
            has_more_before=start > 0,
            has_more_after=end < self.head,
            head_seq=self.head,
        )


def now_text() -> str:
    """Return the current time as the protocol writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
