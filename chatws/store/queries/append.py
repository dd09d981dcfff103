"""Append of a batch of messages: a decision for every draft, then one INSERT and one UPDATE for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct

from chatws.protocol.entities import ConversationStatus, Message
from chatws.protocol.ids import format_timestamp, new_id
from chatws.store.errors import IdempotencyConflict, NotFound, StaleVersion, StoreError
from chatws.store.interface import Draft, Stored
from chatws.store.queries import append_statements, conversations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from chatws.store.queries.append_statements import ClientKey
    from chatws.store.queries.prepared import Values


class _Decision(Struct):
    """Decision about one draft; without a message and an error, the version was stale."""

    message: Message | None = None
    error: StoreError | None = None
    duplicate: bool = False
    version: int = 0
    returns_conversation: bool = False


def append_batch(
    connection: Connection, drafts: Sequence[Draft], *, now_ms: int, reopen_status: ConversationStatus
) -> list[Stored | StoreError]:
    """Append the valid drafts in order and return a result for each draft; an invalid one fails alone.

    Duplicates are found among the stored messages and inside the batch before a sequence number is assigned.
    """
    batch = _Batch(connection, drafts, now_ms, reopen_status)
    decisions = [batch.decide(draft) for draft in drafts]
    batch.write(connection)
    return [_result(connection, draft, decision) for draft, decision in zip(drafts, decisions, strict=True)]


class _Batch:
    """State of the affected conversations, and the rows to write."""

    def __init__(
        self, connection: Connection, drafts: Sequence[Draft], now_ms: int, reopen_status: ConversationStatus
    ) -> None:
        self._now_ms = now_ms
        self._timestamp = format_timestamp(now_ms)
        self._reopen_status: ConversationStatus = reopen_status
        self._heads = append_statements.lock_heads(connection, {draft.conversation_id for draft in drafts})
        self._by_key = append_statements.read_duplicates(
            connection, {key for draft in drafts if (key := _client_key(draft))}
        )
        self._rows: list[Values] = []  # in the order of the columns

    def decide(self, draft: Draft) -> _Decision:
        head = self._heads.get(draft.conversation_id)
        if head is None:
            return _Decision(error=NotFound("conversation", draft.conversation_id))
        key = _client_key(draft)
        first = None if key is None else self._by_key.get(key)
        if first is not None:
            return _duplicate(draft, first, head.version)
        if draft.expected_version is not None and (head.status, head.version) != ("bot", draft.expected_version):
            return _Decision(returns_conversation=True)
        reopens = head.status == "resolved" and draft.reopen and draft.sender.role == "customer"
        if reopens:
            head.status = self._reopen_status
            head.version += 1
            head.reopened = True
        head.head_seq += 1
        head.changed = True
        message = self._add(draft, head.head_seq)
        if key is not None:
            self._by_key[key] = message
        return _Decision(message, version=head.version, returns_conversation=reopens)

    def write(self, connection: Connection) -> None:
        if not self._rows:
            return
        append_statements.insert_messages(connection, self._rows)
        changed = [(changed_id, head) for changed_id, head in self._heads.items() if head.changed]
        append_statements.set_heads(
            connection, [(changed_id, head.head_seq, self._now_ms) for changed_id, head in changed]
        )
        for changed_id, head in changed:
            if head.reopened:
                conversations.change(connection, changed_id, self._reopen_status, None, self._now_ms)

    def _add(self, draft: Draft, seq: int) -> Message:
        message_id = new_id(self._now_ms)
        sender = draft.sender
        self._rows.append(
            (
                draft.conversation_id,
                seq,
                message_id,
                sender.user_id,
                sender.user_name,
                sender.role,
                draft.content,
                draft.client_message_id,
                self._now_ms,
            )
        )
        return Message(
            conversation_id=draft.conversation_id,
            content=draft.content,
            sender=sender,
            timestamp=self._timestamp,
            message_id=message_id,
            seq=seq,
            client_message_id=UNSET if draft.client_message_id is None else draft.client_message_id,
        )


def _client_key(draft: Draft) -> ClientKey | None:
    if draft.client_message_id is None:
        return None
    return draft.conversation_id, draft.sender.user_id, draft.client_message_id


def _duplicate(draft: Draft, first: Message, version: int) -> _Decision:
    if first.content != draft.content:
        return _Decision(error=IdempotencyConflict(draft.client_message_id or ""))
    return _Decision(first, duplicate=True, version=version)


def _result(connection: Connection, draft: Draft, decision: _Decision) -> Stored | StoreError:
    if decision.error is not None:
        return decision.error
    current = conversations.get(connection, draft.conversation_id) if decision.returns_conversation else None
    if decision.message is not None:
        return Stored(decision.message, decision.duplicate, current, decision.version)
    return StaleVersion(current or conversations.get(connection, draft.conversation_id))
