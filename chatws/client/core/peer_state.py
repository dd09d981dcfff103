"""State of the other users in joined conversations: turns snapshots into the changes since the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chatws.client.core.effects import Deliver
from chatws.client.core.event_names import Event
from chatws.protocol.entities import Presence, ReadMark
from chatws.protocol.events import MessageRead, TypingIndicator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.protocol.responses import JoinAck


USERS_KEPT = 10_000
"""Users whose presence is remembered; the least recently updated one is evicted, and then delivered again."""


class PeerState:
    """Typing, presence and read marks; each returned `Deliver` is a change that was not delivered before."""

    def __init__(self) -> None:
        self._typing: dict[tuple[str, str], TypingIndicator] = {}
        self._presence: dict[str, Presence] = {}
        self._unconfirmed: dict[str, None] = {}
        """Users who were not offline when the last connection ended, and have not been reported since."""
        self._read: dict[tuple[str, str], int] = {}

    def update_typing(self, event: TypingIndicator) -> list[Deliver]:
        """Apply a typing event; no effect when nothing changes."""
        key = (event.conversation_id, event.user_id)
        if event.is_typing == (key in self._typing):
            return []
        if event.is_typing:
            self._typing[key] = event
        else:
            del self._typing[key]
        return [Deliver(Event.TYPING_INDICATOR, event)]

    def update_presence(self, presence: Presence) -> list[Deliver]:
        """Apply a presence; no effect when the status is the same."""
        self._unconfirmed.pop(presence.user_id, None)
        known = self._presence.pop(presence.user_id, None)
        self._presence[presence.user_id] = presence
        if len(self._presence) > USERS_KEPT:
            del self._presence[next(iter(self._presence))]
        if known is not None and known.status == presence.status:
            return []
        return [Deliver(Event.PRESENCE_UPDATE, presence)]

    def update_read_mark(self, event: MessageRead) -> list[Deliver]:
        """Apply a read mark; marks only move forward."""
        key = (event.conversation_id, event.user_id)
        if event.seq <= self._read.get(key, -1):
            return []
        self._read[key] = event.seq
        return [Deliver(Event.MESSAGE_READ, event)]

    def replace(self, conversation_id: str, ack: JoinAck) -> list[Deliver]:
        """Replace the state of a conversation by the snapshot of a join."""
        changes: list[Deliver] = []
        now_typing = set(ack.typing)
        for key, event in list(self._typing.items()):
            if key[0] == conversation_id and event.user_id not in now_typing:
                changes += self.update_typing(_stopped(event))
        names = _names(ack)
        for user_id in ack.typing:
            name = names.get(user_id, user_id)
            changes += self.update_typing(
                TypingIndicator(conversation_id=conversation_id, user_id=user_id, user_name=name, is_typing=True)
            )
        if not ack.recovered:
            self._forget_read(conversation_id)
        changes += self._move_read(conversation_id, ack.read_marks, ack.conversation.updated_at)
        return changes + self.replace_presence(ack.presence)

    def replace_presence(self, presences: Iterable[Presence]) -> list[Deliver]:
        """Apply a snapshot of presences."""
        return [change for presence in presences for change in self.update_presence(presence)]

    @property
    def has_unconfirmed(self) -> bool:
        """Whether the presence of a user was received on an earlier connection only."""
        return bool(self._unconfirmed)

    def disconnect(self) -> list[Deliver]:
        """End all typing; presence is kept, and has to be confirmed by the next connection."""
        online = (presence.user_id for presence in self._presence.values() if presence.status != "offline")
        self._unconfirmed = dict.fromkeys(online)
        return self.end_typing()

    def drop_unconfirmed(self) -> list[Deliver]:
        """Show the users as offline whom the replies to joins and subscriptions on this connection do not contain."""
        gone = [self._presence[user_id] for user_id in self._unconfirmed if user_id in self._presence]
        return self.replace_presence([msgspec.structs.replace(presence, status="offline") for presence in gone])

    def end_typing(self, conversation_id: str | None = None) -> list[Deliver]:
        """End all typing, in one conversation that was left or, after a disconnect, in all."""
        ended = [e for key, e in list(self._typing.items()) if conversation_id is None or key[0] == conversation_id]
        return [change for event in ended for change in self.update_typing(_stopped(event))]

    def leave(self, conversation_id: str) -> list[Deliver]:
        """Forget a conversation; the next join's snapshot has its read marks."""
        self._forget_read(conversation_id)
        return self.end_typing(conversation_id)

    def _move_read(self, conversation_id: str, marks: Iterable[ReadMark], timestamp: str) -> list[Deliver]:
        """Apply the marks of a snapshot, which may be older than a mark that arrived before the reply."""
        events = [
            MessageRead(conversation_id=conversation_id, user_id=mark.user_id, seq=mark.seq, timestamp=timestamp)
            for mark in marks
        ]
        return [change for event in events for change in self.update_read_mark(event)]

    def _forget_read(self, conversation_id: str) -> None:
        self._read = {key: seq for key, seq in self._read.items() if key[0] != conversation_id}


def _stopped(event: TypingIndicator) -> TypingIndicator:
    return TypingIndicator(
        conversation_id=event.conversation_id, user_id=event.user_id, user_name=event.user_name, is_typing=False
    )


def _names(ack: JoinAck) -> dict[str, str]:
    users = [ack.conversation.customer, ack.conversation.assignee, *(message.sender for message in ack.messages)]
    return {user.user_id: user.user_name for user in users if user is not None}
