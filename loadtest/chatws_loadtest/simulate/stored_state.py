"""State of the database as the simulation itself reads it after each commit, independent of the store's queries."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from chatws_loadtest.simulate.invariants import Judge
from chatws_loadtest.simulate.trace import SimulationTrace


class CommittedMessage(NamedTuple):
    """Row of a message."""

    seq: int
    message_id: str
    sender_id: str
    content: str
    client_message_id: str | None


class CommittedStatus(NamedTuple):
    """Row of a conversation, without its messages."""

    version: int
    status: str
    assignee_id: str | None


_HEADS = "SELECT conversation_id, head_seq, version, status, assignee_id FROM conversations ORDER BY conversation_id"
_MESSAGES = (
    "SELECT seq, message_id, sender_id, content, client_message_id FROM messages "
    "WHERE conversation_id = ? AND seq > ? ORDER BY seq"
)
_READ_MARKS = "SELECT conversation_id, user_id, seq FROM read_marks ORDER BY conversation_id, user_id"


class StoredState:
    """Committed messages, statuses and read marks; checks each commit."""

    def __init__(self, connection: sqlite3.Connection, judge: Judge, trace: SimulationTrace) -> None:
        self._judge = judge
        self._connection = connection
        self._trace = trace
        self.messages: dict[str, list[CommittedMessage]] = {}
        """Messages by conversation, in the order of ``seq``, which begins with 1."""
        self.statuses: dict[str, CommittedStatus] = {}
        self.read_marks: dict[tuple[str, str], int] = {}
        """Marks by conversation and user."""
        self._client_ids: dict[tuple[str, str, str], CommittedMessage] = {}
        self._seqs: dict[tuple[str, str], int] = {}
        """Positions by conversation and content, which is unique in a plan."""
        self.message_count = 0
        self.read("setup")

    def read(self, server: str) -> None:
        """Read the changes of a commit."""
        for conversation_id, head, version, status, assignee in self._connection.execute(_HEADS).fetchall():
            known = self.messages.setdefault(conversation_id, [])
            if head != len(known):
                self._read_messages(server, conversation_id, head, known)
            self._change_status(server, conversation_id, CommittedStatus(version, status, assignee))
        for conversation_id, user_id, seq in self._connection.execute(_READ_MARKS).fetchall():
            self._move_mark(server, (conversation_id, user_id), seq)

    def head(self, conversation_id: str) -> int:
        """Return the highest ``seq``."""
        return len(self.messages[conversation_id])

    def find(self, conversation_id: str, seq: int) -> CommittedMessage | None:
        """Return a message."""
        known = self.messages.get(conversation_id, ())
        return known[seq - 1] if 0 < seq <= len(known) else None

    def has(self, conversation_id: str, content: str) -> bool:
        """Return whether a message with this content is stored."""
        return (conversation_id, content) in self._seqs

    def check_all(self) -> None:
        """Compare the whole database with what was read after each commit."""
        for conversation_id, known in self.messages.items():
            rows = [CommittedMessage(*row) for row in self._connection.execute(_MESSAGES, (conversation_id, 0))]
            self._judge.require(rows == known, "seq-without-gap", "The messages of {} have changed.", conversation_id)

    def _read_messages(self, server: str, conversation_id: str, head: int, known: list[CommittedMessage]) -> None:
        for row in self._connection.execute(_MESSAGES, (conversation_id, len(known))).fetchall():
            message = CommittedMessage(*row)
            expected = len(known) + 1
            self._judge.require(
                message.seq == expected,
                "seq-without-gap",
                "{} has #{} where #{} is next.",
                conversation_id,
                message.seq,
                expected,
            )
            key = (conversation_id, message.sender_id, message.client_message_id or message.message_id)
            first = self._client_ids.setdefault(key, message)
            self._judge.require(
                first is message, "stored-once", "{} is stored as #{} and #{}.", key, first.seq, message.seq
            )
            seq = self._seqs.setdefault((conversation_id, message.content), message.seq)
            self._judge.require(
                seq == message.seq, "stored-once", "{!r} is stored as #{} and #{}.", message.content, seq, message.seq
            )
            known.append(message)
            self.message_count += 1
            self._trace.add("{} commits #{} of {}: {}", server, message.seq, conversation_id, message.content)
        self._judge.require(
            head == len(known), "seq-without-gap", "{} has the head {}, but {} messages.", conversation_id, head, known
        )

    def _change_status(self, server: str, conversation_id: str, status: CommittedStatus) -> None:
        known = self.statuses.get(conversation_id)
        if status == known:
            return
        if known is not None:
            self._judge.require(
                status.version > known.version, "one-winner", "{}: {} follows {}.", conversation_id, status, known
            )
            assignee = "" if status.assignee_id is None else f" to {status.assignee_id}"
            self._trace.add("{} commits {}: {}{}", server, conversation_id, status.status, assignee)
        self.statuses[conversation_id] = status

    def _move_mark(self, server: str, key: tuple[str, str], seq: int) -> None:
        known = self.read_marks.get(key, 0)
        if seq == known:
            return
        self._judge.require(
            seq > known, "read-marks-forward", "The stored mark {} moves from {} to {}.", key, known, seq
        )
        self.read_marks[key] = seq
        self._trace.add("{} commits the read mark of {} in {}: {}", server, key[1], key[0], seq)
