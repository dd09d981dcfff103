"""Queries of the events that wait to be sent to the webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec
from msgspec import UNSET
from sqlalchemy import BigInteger, Connection, bindparam, delete, func, insert, select, tuple_, update

from chatws.protocol.entities import ConversationStatus, Role, User
from chatws.protocol.ids import format_timestamp, new_id
from chatws.protocol.webhooks import (
    MAX_REASON_CHARS,
    MESSAGE_CREATED,
    ConversationChange,
    ConversationWebhook,
    MessageWebhook,
    WebhookBody,
    WebhookKind,
    kinds_of_change,
)
from chatws.store.queries.prepared import Prepared, Values
from chatws.store.queries.rows import MESSAGE_COLUMNS, MessageRow, message_of
from chatws.store.schema import conversations, messages, users, webhook_deliveries

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CANDIDATES = 500
"""Limit of the rows that one transaction looks at; it blocks the other writes of SQLite."""

CLAIM_LOCK = 0x63_68_77_68
"""Key of the advisory lock that serializes the claims of several servers on PostgreSQL.

Two claims would lock rows of the same conversations in different orders, and could wait for each other.
"""

RUN_EVENTS = 20
"""Maximum number of events of one conversation that are claimed together."""

BLOCKED_MS = 30_000
"""Time for which an event behind another one of its conversation is not looked at again.

Without it, each look at the table would read the whole backlog of the conversations that wait for a retry.
"""


class NewStatus(NamedTuple):
    """Change of status or assignee."""

    previous_status: ConversationStatus
    status: ConversationStatus
    assignee_id: str | None
    reason: str | None = None


class NewEvent(NamedTuple):
    """Event to store: a message, or with ``change`` a change of the conversation.

    ``seq`` and ``version`` are those of the conversation after the event; their pairs rise from event to event.
    """

    conversation_id: str
    seq: int
    version: int
    kind: WebhookKind
    change: NewStatus | None = None


class DeliveryKey(NamedTuple):
    """Primary key of a stored event; keys of one conversation are in the order of the events."""

    conversation_id: str
    seq: int
    version: int
    kind: WebhookKind


class Delivery(msgspec.Struct, frozen=True):
    """Event to send; ``attempts`` is the number of failed ones."""

    key: DeliveryKey
    event_id: str
    attempts: int
    body: WebhookBody


class ClaimedRuns(NamedTuple):
    """Claimed events, one list per conversation; without ``is_complete`` more events are due."""

    runs: list[list[Delivery]]
    is_complete: bool


_table = webhook_deliveries.c
_KEY_COLUMNS = (_table.conversation_id, _table.seq, _table.version, _table.kind)
_KEY_NAMES = [f"this_{column.name}" for column in _KEY_COLUMNS]
_is_this = [column == bindparam(f"this_{column.name}") for column in _KEY_COLUMNS]
_earlier = webhook_deliveries.alias("earlier")
_is_blocked = (
    select(1)
    .where(
        _earlier.c.conversation_id == _table.conversation_id,
        tuple_(_earlier.c.seq, _earlier.c.version, _earlier.c.kind) < tuple_(_table.seq, _table.version, _table.kind),
    )
    .exists()
)
_INSERT = Prepared(insert(webhook_deliveries), [column.name for column in webhook_deliveries.columns])
_LOCK_CLAIMS = select(func.pg_advisory_xact_lock(bindparam("key", CLAIM_LOCK, BigInteger)))
_CANDIDATES = Prepared(
    select(*_KEY_COLUMNS, _is_blocked.label("is_blocked"))
    .where(_table.due_at_ms <= bindparam("now_ms"))
    .order_by(_table.due_at_ms)
    .limit(MAX_CANDIDATES)
    .with_for_update(of=webhook_deliveries, skip_locked=True),
    ["now_ms"],
)
_customer = users.alias("customer")
_assignee = users.alias("assignee")
_RUN = Prepared(
    select(
        *_KEY_COLUMNS,
        _table.event_id,
        _table.attempts,
        _table.created_at_ms,
        _table.status,
        _table.previous_status,
        _table.reason,
        _customer.c.user_id.label("customer_id"),
        _customer.c.user_name.label("customer_name"),
        _customer.c.role.label("customer_role"),
        _assignee.c.user_id.label("assignee_user_id"),
        _assignee.c.user_name.label("assignee_name"),
        _assignee.c.role.label("assignee_role"),
        *(column.label(f"message_{column.name}") for column in MESSAGE_COLUMNS),
    )  # in the order of ``_delivery``
    .join_from(webhook_deliveries, conversations, conversations.c.conversation_id == _table.conversation_id)
    .join(_customer, _customer.c.user_id == conversations.c.customer_id)
    .outerjoin(_assignee, _assignee.c.user_id == _table.assignee_id)
    .outerjoin(messages, (messages.c.conversation_id == _table.conversation_id) & (messages.c.seq == _table.seq))
    .where(_table.conversation_id == bindparam("wanted_id"))
    .order_by(_table.seq, _table.version, _table.kind)
    .limit(RUN_EVENTS),
    ["wanted_id"],
)
_SET_DUE = Prepared(
    update(webhook_deliveries).where(*_is_this).values(due_at_ms=bindparam("new_due_ms", type_=BigInteger)),
    ["new_due_ms", *_KEY_NAMES],
)
# A fresh look, after the rows were locked: the sender of the event in front may have deleted it meanwhile.
_SET_BLOCKED = Prepared(
    update(webhook_deliveries)
    .where(*_is_this, _is_blocked)
    .values(due_at_ms=bindparam("new_due_ms", type_=BigInteger)),
    ["new_due_ms", *_KEY_NAMES],
)
_POSTPONE = Prepared(
    update(webhook_deliveries)
    .where(*_is_this)
    .values(due_at_ms=bindparam("new_due_ms", type_=BigInteger), attempts=_table.attempts + 1),
    ["new_due_ms", *_KEY_NAMES],
)
_DELETE = Prepared(delete(webhook_deliveries).where(*_is_this), _KEY_NAMES)
_FIRST = Prepared(
    select(*_KEY_COLUMNS)
    .where(_table.conversation_id == bindparam("wanted_id"))
    .order_by(_table.seq, _table.version, _table.kind)
    .limit(1),
    ["wanted_id"],
)
_EXPIRED = Prepared(
    select(*_KEY_COLUMNS)
    .where(_table.created_at_ms < bindparam("before_ms"))
    .order_by(_table.created_at_ms)
    .limit(MAX_CANDIDATES)
    .with_for_update(skip_locked=True),
    ["before_ms"],
)
_OLDEST = Prepared(select(_table.created_at_ms).order_by(_table.created_at_ms).limit(1), [])
_ERASE_REASONS = (
    update(webhook_deliveries)
    .where(
        _table.conversation_id > bindparam("after_id"),
        _table.conversation_id <= bindparam("last_id"),
        _table.reason.is_not(None),
        select(1)
        .where(
            conversations.c.conversation_id == _table.conversation_id,
            conversations.c.customer_id == bindparam("this_user"),
        )
        .exists(),
    )
    .values(reason=None)
)
_RESET = update(webhook_deliveries).where(_table.due_at_ms > bindparam("now_ms")).values(due_at_ms=bindparam("now_ms"))


def events_of_change(
    kinds: frozenset[WebhookKind], conversation_id: str, seq: int, version: int, change: NewStatus
) -> list[NewEvent]:
    """Return the events of a change that belong to ``kinds``."""
    return [
        NewEvent(conversation_id, seq, version, kind, change)
        for kind in kinds_of_change(change.previous_status, change.status)
        if kind in kinds
    ]


def record(connection: Connection, events: Sequence[NewEvent], now_ms: int) -> None:
    """Store events in the transaction that also stores what they report; without events, run no statement."""
    if events:
        _INSERT.run_many(connection, [_row(event, now_ms) for event in events])


def claim(connection: Connection, *, conversation_limit: int, now_ms: int, lease_until_ms: int) -> ClaimedRuns:
    """Claim the first events of the conversations that are due; no other server sends them until the lease ends.

    A conversation is due if its first event is: a later one is never sent before it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_CLAIMS)
    candidates = _CANDIDATES.fetch(connection, (now_ms,))
    first_ids = [str(row[0]) for row in candidates if not row[-1]]
    claimed_ids = first_ids[:conversation_limit]
    runs = [[_delivery(row) for row in _RUN.fetch(connection, (conversation_id,))] for conversation_id in claimed_ids]
    _SET_BLOCKED.run_many(connection, [(now_ms + BLOCKED_MS, *row[:-1]) for row in candidates if row[-1]])
    _SET_DUE.run_many(connection, [(lease_until_ms, *delivery.key) for run in runs for delivery in run])
    return ClaimedRuns(runs, is_complete=len(candidates) < MAX_CANDIDATES and len(first_ids) == len(claimed_ids))


def complete(connection: Connection, key: DeliveryKey, now_ms: int, *, ends_run: bool) -> None:
    """Delete an event that was sent; at the end of a run, make the next one due."""
    _DELETE.run_many(connection, [key])
    if ends_run:
        release(connection, key.conversation_id, now_ms)


def postpone(connection: Connection, key: DeliveryKey, until_ms: int) -> None:
    """Count a failed attempt and retry the event, and those behind it, at this time."""
    _POSTPONE.run_many(connection, [(until_ms, *key)])


def release(connection: Connection, conversation_id: str, now_ms: int) -> None:
    """Make the first event of a conversation due."""
    first = _FIRST.first(connection, (conversation_id,))
    if first is not None:
        _SET_DUE.run_many(connection, [(now_ms, *first)])


def release_all(connection: Connection, now_ms: int) -> None:
    """Make all events due, on SQLite only: on PostgreSQL another server may have claimed them."""
    if connection.dialect.name == "sqlite":
        connection.execute(_RESET, {"now_ms": now_ms})


def expire(connection: Connection, before_ms: int) -> int:
    """Delete the next events that are older than ``before_ms`` and return their number; 0 means that none is left."""
    expired = _EXPIRED.fetch(connection, (before_ms,))
    _DELETE.run_many(connection, expired)
    return len(expired)


def erase_reasons(connection: Connection, user_id: str, after_id: str, last_id: str) -> None:
    """Delete the reasons of hand-offs of a customer, in a range of conversation ids."""
    connection.execute(_ERASE_REASONS, {"this_user": user_id, "after_id": after_id, "last_id": last_id})


def oldest(connection: Connection) -> int | None:
    """Return the time of the oldest event."""
    row = _OLDEST.first(connection, ())
    return None if row is None else cast("int", row[0])


def _row(event: NewEvent, now_ms: int) -> Values:
    change = event.change
    state = (
        (None, None, None, None)
        if change is None
        else (
            change.status,
            change.previous_status,
            change.assignee_id,
            None if change.reason is None else change.reason[:MAX_REASON_CHARS],
        )
    )
    key = (event.conversation_id, event.seq, event.version, event.kind)
    return (*key, new_id(now_ms), *state, 0, now_ms, now_ms)


def _delivery(row: Values) -> Delivery:
    key = DeliveryKey(*cast("tuple[str, int, int, WebhookKind]", row[:4]))
    event_id, attempts, created_at_ms = cast("tuple[str, int, int]", row[4:7])
    timestamp = format_timestamp(created_at_ms)
    body: WebhookBody
    if key.kind == MESSAGE_CREATED:
        body = MessageWebhook(timestamp=timestamp, data=message_of(*cast("MessageRow", row[16:])))
    else:
        body = ConversationWebhook(type=key.kind, timestamp=timestamp, data=_change(key, row))
    return Delivery(key, event_id, attempts, body)


def _change(key: DeliveryKey, row: Values) -> ConversationChange:
    status, previous_status, reason = cast("tuple[ConversationStatus, ConversationStatus, str | None]", row[7:10])
    customer, assignee = (cast("tuple[str, str, Role]", row[start : start + 3]) for start in (10, 13))
    return ConversationChange(
        conversation_id=key.conversation_id,
        version=key.version,
        status=status,
        previous_status=previous_status,
        customer=_user(customer),
        assignee=None if row[13] is None else _user(assignee),
        reason=UNSET if reason is None else reason,
    )


def _user(values: tuple[str, str, Role]) -> User:
    user_id, user_name, role = values
    return User(user_id=user_id, user_name=user_name, role=role)
