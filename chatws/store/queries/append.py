"""Append of a batch of messages: an outcome for every draft, then one INSERT and one UPDATE for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET, structs

from chatws.protocol.entities import UNCLAIMED, ConversationStatus, Message, User
from chatws.protocol.ids import format_timestamp, new_id
from chatws.protocol.webhooks import MESSAGE_CREATED, WebhookKind
from chatws.store.errors import IdempotencyConflict, NotFound, StaleVersion, StoreError
from chatws.store.interface import Draft, Stored
from chatws.store.queries import append_statements, conversations, deliveries
from chatws.store.queries.deliveries import NewEvent, NewStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from chatws.store.queries.append_statements import ClientKey, ConversationHead
    from chatws.store.queries.head_cache import HeadCache
    from chatws.store.queries.prepared import Values


_STALE = StoreError("stale version")
"""Outcome of a stale draft until its conversation is read."""


class OptimisticAppendFailed(Exception):
    """A message was sent again, or another process changed a conversation; the transaction has to be rolled back."""


def append_batch(
    connection: Connection,
    drafts: Sequence[Draft],
    *,
    now_ms: int,
    reopen_status: ConversationStatus,
    cache: HeadCache | None = None,
    webhook_kinds: frozenset[WebhookKind] = frozenset(),
) -> list[Stored | StoreError]:
    """Append the valid drafts in order and return an outcome for each draft; an invalid one fails alone.

    Without a cache, reads and locks the conversations, and reads the messages already stored under the drafts' keys.
    With a cache, the append is optimistic; the transaction must hold the write lock of the whole database (SQLite).
    Events of the given kinds are stored for the webhook in the same transaction.

    Raises:
        OptimisticAppendFailed: the append has to be repeated without the cache, in another transaction.
    """
    conversation_ids = {draft.conversation_id for draft in drafts}
    if cache is not None:
        batch = _Batch(_known_heads(connection, conversation_ids, cache), {}, now_ms, reopen_status, webhook_kinds)
        outcomes = [batch.decide(draft) for draft in drafts]
        _write_optimistically(connection, batch, cache)
    else:
        heads = append_statements.lock_heads(connection, conversation_ids)
        first_messages = append_statements.read_duplicates(connection, {key for each in drafts if (key := _key(each))})
        batch = _Batch(heads, first_messages, now_ms, reopen_status, webhook_kinds)
        outcomes = [batch.decide(draft) for draft in drafts]
        append_statements.insert_messages(connection, batch.rows)
        append_statements.set_heads(connection, batch.changed_heads, now_ms)
    batch.write_changes(connection)
    deliveries.record(connection, batch.webhook_events, now_ms)
    return _complete(connection, drafts, outcomes, batch) if batch.needs_conversations else outcomes


def _known_heads(connection: Connection, conversation_ids: set[str], cache: HeadCache) -> dict[str, ConversationHead]:
    heads = cache.find(conversation_ids)
    if len(heads) < len(conversation_ids):
        heads |= append_statements.lock_heads(connection, conversation_ids - heads.keys())
    return heads


def _write_optimistically(connection: Connection, batch: _Batch, cache: HeadCache) -> None:
    """Write the rows of a batch that was decided by cached states and without a query for duplicates.

    Both assumptions are verified here: the UPDATE skips conversations that another process has changed, and the INSERT
    skips duplicates.
    """
    heads = batch.changed_heads
    if (
        batch.has_stale_draft  # no statement verifies the version by which it was decided
        or append_statements.set_heads(connection, heads, batch.now_ms) < len(heads)
        or append_statements.insert_unless_duplicate(connection, batch.rows) < len(batch.rows)
    ):
        raise OptimisticAppendFailed
    cache.add(heads)


class _StatusChange(NamedTuple):
    """New status and assignee of a conversation, caused by the message with this ``seq``."""

    conversation_id: str
    seq: int
    status: ConversationStatus
    assignee_id: str | None


class _Batch:
    """Decisions about the drafts of a batch, and the rows that follow from them."""

    def __init__(
        self,
        heads: dict[str, ConversationHead],
        first_messages: dict[ClientKey, Message],
        now_ms: int,
        reopen_status: ConversationStatus,
        webhook_kinds: frozenset[WebhookKind],
    ) -> None:
        self._heads = heads
        self._first_messages = first_messages
        self.now_ms = now_ms
        self._timestamp = format_timestamp(now_ms)
        self._reopen_status: ConversationStatus = reopen_status
        self.rows: list[Values] = []  # in the order of the columns
        self.webhook_events: list[NewEvent] = []
        self.has_stale_draft = False
        self._webhook_kinds = webhook_kinds
        self._changes: dict[tuple[str, int], _StatusChange] = {}  # by conversation and ``seq``

    @property
    def changed_heads(self) -> list[ConversationHead]:
        """States to write."""
        return [head for head in self._heads.values() if head.head_seq > head.stored_seq]

    @property
    def needs_conversations(self) -> bool:
        """Whether outcomes contain conversations, which are read after the writes."""
        return self.has_stale_draft or bool(self._changes)

    def decide(self, draft: Draft) -> Stored | StoreError:
        """Return the outcome of the next draft; its conversation is added later."""
        head = self._heads.get(draft.conversation_id)
        if head is None:
            return NotFound("conversation", draft.conversation_id)
        key = _key(draft)
        first = None if key is None else self._first_messages.get(key)
        if first is not None:
            return _duplicate(draft, first, head.version)
        if draft.expected_version is not None and (head.status, head.version) != ("bot", draft.expected_version):
            self.has_stale_draft = True
            return _STALE
        head.head_seq += 1
        if MESSAGE_CREATED in self._webhook_kinds:
            self.webhook_events.append(NewEvent(head.conversation_id, head.head_seq, head.version, MESSAGE_CREATED))
        if draft.may_change_status and (change := self._change_by(draft.sender, head)) is not None:
            previous_status, head.status = head.status, change.status
            head.version += 1
            self._changes[change.conversation_id, change.seq] = change
            if self._webhook_kinds:
                new_status = NewStatus(previous_status, change.status, change.assignee_id)
                self.webhook_events += deliveries.events_of_change(
                    self._webhook_kinds, head.conversation_id, head.head_seq, head.version, new_status
                )
        message = self._add(draft, head.head_seq)
        if key is not None:
            self._first_messages[key] = message
        return Stored(message, duplicate=False, conversation=None, version=head.version)

    def write_changes(self, connection: Connection) -> None:
        """Write the status and assignee of the conversations that messages reopened or claimed."""
        for change in self._changes.values():
            conversations.change(connection, change.conversation_id, change.status, change.assignee_id, self.now_ms)

    def is_changing(self, stored: Stored) -> bool:
        """Return whether this message reopened or claimed its conversation."""
        message = stored.message
        return not stored.duplicate and (message.conversation_id, message.seq) in self._changes

    def _change_by(self, sender: User, head: ConversationHead) -> _StatusChange | None:
        if sender.role == "customer" and head.status == "resolved":
            return _StatusChange(head.conversation_id, head.head_seq, self._reopen_status, None)
        if sender.role == "admin" and head.status in UNCLAIMED:
            return _StatusChange(head.conversation_id, head.head_seq, "assigned", sender.user_id)
        return None

    def _add(self, draft: Draft, seq: int) -> Message:
        message_id = new_id(self.now_ms)
        sender = draft.sender
        self.rows.append(
            (
                draft.conversation_id,
                seq,
                message_id,
                sender.user_id,
                sender.user_name,
                sender.role,
                draft.content,
                draft.client_message_id,
                self.now_ms,
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


def _key(draft: Draft) -> ClientKey | None:
    if draft.client_message_id is None:
        return None
    return draft.conversation_id, draft.sender.user_id, draft.client_message_id


def _duplicate(draft: Draft, first: Message, version: int) -> Stored | StoreError:
    if first.content != draft.content:
        return IdempotencyConflict(draft.client_message_id or "")
    return Stored(first, duplicate=True, conversation=None, version=version)


def _complete(
    connection: Connection, drafts: Sequence[Draft], outcomes: list[Stored | StoreError], batch: _Batch
) -> list[Stored | StoreError]:
    """Add the current conversation to the outcomes of stale drafts and of those that reopened or claimed it."""
    completed: list[Stored | StoreError] = []
    for draft, outcome in zip(drafts, outcomes, strict=True):
        if outcome is _STALE:
            completed.append(StaleVersion(conversations.get(connection, draft.conversation_id)))
        elif isinstance(outcome, Stored) and batch.is_changing(outcome):
            current = conversations.get(connection, draft.conversation_id)
            completed.append(structs.replace(outcome, conversation=current))
        else:
            completed.append(outcome)
    return completed
