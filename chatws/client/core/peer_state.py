"""What is known of the other people in a room, so that a snapshot can be told as the changes it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.client.core.effects import Deliver
from chatws.client.core.event_names import Event
from chatws.protocol.entities import Presence, ReadMark
from chatws.protocol.events import MessageRead, TypingIndicator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.protocol.responses import JoinAck


PEOPLE_KEPT = 10_000
"""People whose presence is remembered; who was not heard of for the longest time is told again."""


class PeerState:
    """Typing, presence and read marks; each `Deliver` is a change the user has not been told."""

    def __init__(self) -> None:
        self._typing: dict[tuple[str, str], TypingIndicator] = {}
        self._presence: dict[str, Presence] = {}
        self._read: dict[tuple[str, str], int] = {}

    def hear_typing(self, event: TypingIndicator) -> list[Deliver]:
        """Take a typing event; one that changes nothing is not told."""
        key = (event.conversation_id, event.user_id)
        if event.is_typing == (key in self._typing):
            return []
        if event.is_typing:
            self._typing[key] = event
        else:
            del self._typing[key]
        return [Deliver(Event.TYPING_INDICATOR, event)]

    def hear_presence(self, presence: Presence) -> list[Deliver]:
        """Take a presence; one that changes nothing is not told."""
        known = self._presence.pop(presence.user_id, None)
        self._presence[presence.user_id] = presence
        if len(self._presence) > PEOPLE_KEPT:
            del self._presence[next(iter(self._presence))]
        if known is not None and known.status == presence.status:
            return []
        return [Deliver(Event.PRESENCE_UPDATE, presence)]

    def hear_read(self, event: MessageRead) -> list[Deliver]:
        """Take a read mark; marks only move forward."""
        key = (event.conversation_id, event.user_id)
        if event.seq <= self._read.get(key, -1):
            return []
        self._read[key] = event.seq
        return [Deliver(Event.MESSAGE_READ, event)]

    def replace(self, conversation_id: str, ack: JoinAck) -> list[Deliver]:
        """Take a join's snapshot in place of what was known of the room."""
        changes: list[Deliver] = []
        now_typing = set(ack.typing)
        for key, event in list(self._typing.items()):
            if key[0] == conversation_id and event.user_id not in now_typing:
                changes += self.hear_typing(_stopped(event))
        names = _names(ack)
        for user_id in ack.typing:
            name = names.get(user_id, user_id)
            changes += self.hear_typing(
                TypingIndicator(conversation_id=conversation_id, user_id=user_id, user_name=name, is_typing=True)
            )
        changes += self._replace_read(conversation_id, ack.read_marks, ack.conversation.updated_at)
        return changes + self.replace_presence(ack.presence)

    def replace_presence(self, presences: Iterable[Presence]) -> list[Deliver]:
        """Take a snapshot of people's presence."""
        return [change for presence in presences for change in self.hear_presence(presence)]

    def forget_typing(self, conversation_id: str | None = None) -> list[Deliver]:
        """Nobody types any more as far as this client can see: the room was left, or the link is gone."""
        gone = [e for key, e in list(self._typing.items()) if conversation_id is None or key[0] == conversation_id]
        return [change for event in gone for change in self.hear_typing(_stopped(event))]

    def forget(self, conversation_id: str) -> list[Deliver]:
        """The room was left: its read marks come with the next join."""
        self._read = {key: seq for key, seq in self._read.items() if key[0] != conversation_id}
        return self.forget_typing(conversation_id)

    def _replace_read(self, conversation_id: str, marks: Iterable[ReadMark], timestamp: str) -> list[Deliver]:
        # A database restored from a copy may have lower marks: the snapshot counts, not the maximum.
        known = {key: seq for key, seq in self._read.items() if key[0] == conversation_id}
        changes = []
        for mark in marks:
            key = (conversation_id, mark.user_id)
            if known.pop(key, None) != mark.seq:
                event = MessageRead(
                    conversation_id=conversation_id, user_id=mark.user_id, seq=mark.seq, timestamp=timestamp
                )
                self._read[key] = mark.seq
                changes.append(Deliver(Event.MESSAGE_READ, event))
        for key in known:
            del self._read[key]
        return changes


def _stopped(event: TypingIndicator) -> TypingIndicator:
    return TypingIndicator(
        conversation_id=event.conversation_id, user_id=event.user_id, user_name=event.user_name, is_typing=False
    )


def _names(ack: JoinAck) -> dict[str, str]:
    people = [ack.conversation.customer, ack.conversation.assignee, *(message.sender for message in ack.messages)]
    return {person.user_id: person.user_name for person in people if person is not None}
