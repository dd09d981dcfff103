"""Appending a batch of messages: every decision first, then one INSERT and one UPDATE for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct
from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from chatws.protocol.entities import ConversationStatus, Message
from chatws.protocol.ids import format_timestamp, new_id
from chatws.store.port import Draft, IdempotencyConflict, NotFound, StaleVersion, Stored, StoreError
from chatws.store.queries import conversations
from chatws.store.queries.rows import MESSAGE_COLUMNS, message_of
from chatws.store.schema import conversations as conversation_rows
from chatws.store.schema import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

_ClientKey = tuple[str, str, str]
"""Conversation, sender, and the sender's own id for the message."""

_PLACES = (
    select(
        conversation_rows.c.conversation_id,
        conversation_rows.c.head_seq,
        conversation_rows.c.status,
        conversation_rows.c.version,
    )
    .where(conversation_rows.c.conversation_id.in_(bindparam("wanted_ids", expanding=True)))
    .order_by(conversation_rows.c.conversation_id)
    .with_for_update()
)
_CLIENT_KEY = tuple_(messages.c.conversation_id, messages.c.sender_id, messages.c.client_message_id)
_KNOWN = select(*MESSAGE_COLUMNS).where(
    _CLIENT_KEY.in_(bindparam("client_keys", expanding=True)), messages.c.client_message_id.is_not(None)
)
_INSERT = insert(messages)
_SET_HEAD = (
    update(conversation_rows)
    .where(conversation_rows.c.conversation_id == bindparam("wanted_id"))
    .values(head_seq=bindparam("new_head"), updated_at_ms=bindparam("now_ms"))
)


class _Place(Struct):
    """Where a conversation stands while the batch is decided."""

    head_seq: int
    status: ConversationStatus
    version: int
    reopened: bool = False


class _Decision(Struct):
    """What becomes of one draft; neither a message nor an error means that the version was stale."""

    message: Message | None = None
    error: StoreError | None = None
    duplicate: bool = False
    conversation_wanted: bool = False


def append_batch(
    connection: Connection, drafts: Sequence[Draft], *, now_ms: int, reopen_status: ConversationStatus
) -> list[Stored | StoreError]:
    """Append what can be appended, in order, and answer each draft; a bad one fails alone.

    Repetitions are found among the stored messages and inside the batch before a sequence number is given.
    """
    batch = _Batch(connection, drafts, now_ms, reopen_status)
    decisions = [batch.decide(draft) for draft in drafts]
    batch.write(connection)
    return [_answer(connection, draft, decision) for draft, decision in zip(drafts, decisions, strict=True)]


class _Batch:
    """The state of the conversations concerned, and the rows to write."""

    def __init__(
        self, connection: Connection, drafts: Sequence[Draft], now_ms: int, reopen_status: ConversationStatus
    ) -> None:
        self._now_ms = now_ms
        self._timestamp = format_timestamp(now_ms)
        self._reopen_status: ConversationStatus = reopen_status
        self._places = _read_places(connection, drafts)
        self._by_key = _read_known(connection, drafts)
        self._rows: list[dict[str, str | int | None]] = []

    def decide(self, draft: Draft) -> _Decision:
        place = self._places.get(draft.conversation_id)
        if place is None:
            return _Decision(error=NotFound("conversation", draft.conversation_id))
        key = _client_key(draft)
        first = None if key is None else self._by_key.get(key)
        if first is not None:
            return _repeat(draft, first)
        if draft.expected_version is not None and (place.status, place.version) != ("bot", draft.expected_version):
            return _Decision(conversation_wanted=True)
        reopens = place.status == "resolved" and draft.reopen and draft.sender.role == "customer"
        if reopens:
            place.status = self._reopen_status
            place.version += 1
            place.reopened = True
        place.head_seq += 1
        message = self._add(draft, place.head_seq)
        if key is not None:
            self._by_key[key] = message
        return _Decision(message, conversation_wanted=reopens)

    def write(self, connection: Connection) -> None:
        if not self._rows:
            return
        connection.execute(_INSERT, self._rows)
        changed = {str(row["conversation_id"]) for row in self._rows}
        heads = [
            {"wanted_id": changed_id, "new_head": self._places[changed_id].head_seq, "now_ms": self._now_ms}
            for changed_id in changed
        ]
        connection.execute(_SET_HEAD, heads)
        for changed_id in changed:
            if self._places[changed_id].reopened:
                conversations.change(connection, changed_id, self._reopen_status, None, self._now_ms)

    def _add(self, draft: Draft, seq: int) -> Message:
        message_id = new_id(self._now_ms)
        sender = draft.sender
        self._rows.append(
            {
                "conversation_id": draft.conversation_id,
                "seq": seq,
                "message_id": message_id,
                "sender_id": sender.user_id,
                "sender_name": sender.user_name,
                "sender_role": sender.role,
                "content": draft.content,
                "client_message_id": draft.client_message_id,
                "created_at_ms": self._now_ms,
            }
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


def _client_key(draft: Draft) -> _ClientKey | None:
    if draft.client_message_id is None:
        return None
    return draft.conversation_id, draft.sender.user_id, draft.client_message_id


def _repeat(draft: Draft, first: Message) -> _Decision:
    if first.content != draft.content:
        return _Decision(error=IdempotencyConflict(draft.client_message_id or ""))
    return _Decision(first, duplicate=True)


def _answer(connection: Connection, draft: Draft, decision: _Decision) -> Stored | StoreError:
    if decision.error is not None:
        return decision.error
    current = conversations.get(connection, draft.conversation_id) if decision.conversation_wanted else None
    if decision.message is not None:
        return Stored(decision.message, decision.duplicate, current)
    return StaleVersion(current or conversations.get(connection, draft.conversation_id))


def _read_places(connection: Connection, drafts: Sequence[Draft]) -> dict[str, _Place]:
    wanted_ids = list({draft.conversation_id for draft in drafts})
    rows = connection.execute(_PLACES, {"wanted_ids": wanted_ids})
    return {row[0]: _Place(row[1], row[2], row[3]) for row in rows}


def _read_known(connection: Connection, drafts: Sequence[Draft]) -> dict[_ClientKey, Message]:
    keys = list({key for draft in drafts if (key := _client_key(draft)) is not None})
    if not keys:
        return {}
    messages_found = [message_of(*row) for row in connection.execute(_KNOWN, {"client_keys": keys})]
    return {
        (found.conversation_id, found.sender.user_id, str(found.client_message_id)): found for found in messages_found
    }
