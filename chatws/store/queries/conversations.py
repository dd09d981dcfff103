"""Queries of conversations: read, list, create, and compare-and-set of status and assignee."""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, Text, bindparam, func, or_, select, tuple_, update

from chatws.protocol.entities import Conversation, ConversationStatus, Role, User
from chatws.protocol.ids import format_timestamp
from chatws.protocol.webhooks import WebhookKind
from chatws.store.errors import BadCursor, NotFound, StaleVersion
from chatws.store.interface import ConversationFilter, Head
from chatws.store.queries import accounts, deliveries
from chatws.store.queries.deliveries import NewStatus
from chatws.store.queries.json_params import among_json
from chatws.store.queries.prepared import Prepared, Values
from chatws.store.queries.rows import MESSAGE_COLUMNS, MessageRow, NewRow, insert_unless_taken, message_of
from chatws.store.schema import conversations, messages, users

if TYPE_CHECKING:
    from collections.abc import Sequence

_OwnValues = tuple[str, ConversationStatus, int, int, int, int]
_UserValues = tuple[str, str, Role]

_customer = users.alias("customer")
_assignee = users.alias("assignee")
_VIEW = (
    select(
        conversations.c.conversation_id,
        conversations.c.status,
        conversations.c.version,
        conversations.c.created_at_ms,
        conversations.c.updated_at_ms,
        conversations.c.head_seq,
        _customer.c.user_id.label("customer_id"),
        _customer.c.user_name.label("customer_name"),
        _customer.c.role.label("customer_role"),
        func.coalesce(_customer.c.contact_email, _customer.c.email).label("customer_email"),
        _assignee.c.user_id.label("assignee_id"),
        _assignee.c.user_name.label("assignee_name"),
        _assignee.c.role.label("assignee_role"),
        *(column.label(f"last_{column.name}") for column in MESSAGE_COLUMNS),
    )  # in the order of ``_conversation``
    .join_from(conversations, _customer, conversations.c.customer_id == _customer.c.user_id)
    .outerjoin(_assignee, conversations.c.assignee_id == _assignee.c.user_id)
    .outerjoin(
        messages,
        (messages.c.conversation_id == conversations.c.conversation_id) & (messages.c.seq == conversations.c.head_seq),
    )
)
_BY_ID = Prepared(_VIEW.where(conversations.c.conversation_id == bindparam("wanted_id")), ["wanted_id"])
_ORDER = (conversations.c.updated_at_ms.desc(), conversations.c.conversation_id.desc())
_IS_WRITTEN = or_(
    conversations.c.head_seq > 0, conversations.c.status == "assigned", conversations.c.status == "resolved"
)
_FILTERS = {
    "status": conversations.c.status == bindparam("status"),
    "assignee_id": conversations.c.assignee_id == bindparam("assignee_id"),
    "customer_id": conversations.c.customer_id == bindparam("customer_id"),
}
_IS_AFTER_CURSOR = tuple_(conversations.c.updated_at_ms, conversations.c.conversation_id) < tuple_(
    bindparam("cursor_ms", type_=conversations.c.updated_at_ms.type),
    bindparam("cursor_id", type_=conversations.c.conversation_id.type),
)
_POSITION = re.compile(r"([0-9]{1,19})\.([A-Za-z0-9_-]{1,64})")
"""Decoded cursor. It comes from a client: PostgreSQL does not take all that Python can decode, for example NUL."""
_LIMIT = bindparam("row_limit", type_=conversations.c.head_seq.type)
_STATE = Prepared(
    select(conversations.c.version, conversations.c.status)
    .where(conversations.c.conversation_id == bindparam("wanted_id"))
    .with_for_update(key_share=True),
    ["wanted_id"],
)
_TRANSITION = Prepared(
    update(conversations)
    .where(conversations.c.conversation_id == bindparam("wanted_id"))
    .values(
        status=bindparam("new_status"),
        assignee_id=bindparam("new_assignee_id"),
        updated_at_ms=bindparam("now_ms"),
        version=conversations.c.version + 1,
    ),
    ["new_status", "new_assignee_id", "now_ms", "wanted_id"],
)
_HEAD = Prepared(
    select(conversations.c.head_seq).where(conversations.c.conversation_id == bindparam("wanted_id")), ["wanted_id"]
)
_HEADS = Prepared(
    select(conversations.c.conversation_id, conversations.c.head_seq, conversations.c.version).where(
        among_json(conversations.c.conversation_id, bindparam("wanted_ids", type_=Text))
    ),
    ["wanted_ids"],
)


def find(connection: Connection, conversation_id: str) -> Conversation | None:
    """Return one conversation."""
    row = _BY_ID.first(connection, (conversation_id,))
    return None if row is None else _conversation(row)


def get(connection: Connection, conversation_id: str) -> Conversation:
    """Return one conversation.

    Raises:
        NotFound: no such conversation.
    """
    conversation = find(connection, conversation_id)
    if conversation is None:
        raise NotFound("conversation", conversation_id)
    return conversation


def create(
    connection: Connection, conversation_id: str, customer: User, status: ConversationStatus, now_ms: int
) -> tuple[Conversation, bool]:
    """Insert a conversation, and its customer if unknown; the flag tells whether this call created it."""
    existing = find(connection, conversation_id)
    if existing is not None:
        return existing, False
    accounts.ensure(connection, customer, None, now_ms)
    row: NewRow = {
        "conversation_id": conversation_id,
        "customer_id": customer.user_id,
        "status": status,
        "version": 1,
        "assignee_id": None,
        "created_at_ms": now_ms,
        "updated_at_ms": now_ms,
        "head_seq": 0,
    }
    created = insert_unless_taken(connection, conversations, row)
    return get(connection, conversation_id), created


def listing(connection: Connection, wanted: ConversationFilter) -> tuple[list[Conversation], str | None]:
    """Return a page of conversations, most recently changed first, and the cursor of the next page."""
    values: dict[str, str | int] = {
        name: value for name in _FILTERS if (value := cast("str | None", getattr(wanted, name))) is not None
    }
    if wanted.cursor is not None:
        values["cursor_ms"], values["cursor_id"] = _decode_cursor(wanted.cursor)
    values["row_limit"] = wanted.limit + 1
    statement = _listing(tuple(values), include_unwritten=wanted.include_unwritten)
    rows = statement.fetch(connection, tuple(values.values()))
    page = [_conversation(row) for row in rows[: wanted.limit]]
    if not len(rows) > len(page) > 0:
        return page, None
    last = rows[len(page) - 1]
    return page, _encode_cursor(cast("int", last[4]), cast("str", last[0]))


@cache
def _listing(names: tuple[str, ...], *, include_unwritten: bool) -> Prepared:
    """Return the statement with the conditions of these parameters; building it takes longer than running it."""
    query = _VIEW.order_by(*_ORDER).limit(_LIMIT)
    for name in (name for name in names if name in _FILTERS):
        query = query.where(_FILTERS[name])
    if not include_unwritten:
        query = query.where(_IS_WRITTEN)
    if "cursor_id" in names:
        query = query.where(_IS_AFTER_CURSOR)
    return Prepared(query, names)


def transition(
    connection: Connection,
    conversation_id: str,
    *,
    version: int,
    status: ConversationStatus,
    assignee_id: str | None,
    now_ms: int,
    reason: str | None = None,
    webhook_kinds: frozenset[WebhookKind] = frozenset(),
) -> Conversation:
    """Set status and assignee if the version is still ``version``; store the events of these kinds for the webhook."""
    current = cast("tuple[int, ConversationStatus] | None", _STATE.first(connection, (conversation_id,)))
    if current is None or current[0] != version:
        raise StaleVersion(get(connection, conversation_id))
    if assignee_id is not None and accounts.find(connection, assignee_id) is None:
        raise NotFound("account", assignee_id)
    change(connection, conversation_id, status, assignee_id, now_ms)
    after = get(connection, conversation_id)
    if webhook_kinds:
        new_status = NewStatus(current[1], status, assignee_id, reason)
        events = deliveries.events_of_change(webhook_kinds, conversation_id, after.head_seq, after.version, new_status)
        deliveries.record(connection, events, now_ms)
    return after


def change(
    connection: Connection, conversation_id: str, status: ConversationStatus, assignee_id: str | None, now_ms: int
) -> None:
    """Set status and assignee unconditionally and increment the version."""
    _TRANSITION.run_many(connection, [(status, assignee_id, now_ms, conversation_id)])


def head(connection: Connection, conversation_id: str) -> int:
    """Return the last sequence number.

    Raises:
        NotFound: no such conversation.
    """
    row = _HEAD.first(connection, (conversation_id,))
    if row is None:
        raise NotFound("conversation", conversation_id)
    return cast("tuple[int]", row)[0]


def heads(connection: Connection, conversation_ids: Sequence[str]) -> dict[str, Head]:
    """Return the last sequence number and the version of each conversation that exists."""
    wanted = msgspec.json.encode(list(conversation_ids)).decode()
    rows = cast("Sequence[tuple[str, int, int]]", _HEADS.fetch(connection, (wanted,)))
    return {conversation_id: Head(head_seq, version) for conversation_id, head_seq, version in rows}


def _conversation(row: Values) -> Conversation:
    conversation_id, status, version, created_at_ms, updated_at_ms, head_seq = cast("_OwnValues", row[:6])
    return Conversation(
        conversation_id=conversation_id,
        status=status,
        version=version,
        customer=_user(*cast("_UserValues", row[6:9])),
        customer_email=UNSET if row[9] is None else cast("str", row[9]),
        assignee=None if row[10] is None else _user(*cast("_UserValues", row[10:13])),
        created_at=format_timestamp(created_at_ms),
        updated_at=format_timestamp(updated_at_ms),
        head_seq=head_seq,
        last_message=None if row[13] is None else message_of(*cast("MessageRow", row[13:])),
    )


def _user(user_id: str, user_name: str, role: Role) -> User:
    return User(user_id=user_id, user_name=user_name, role=role)


def _encode_cursor(updated_at_ms: int, conversation_id: str) -> str:
    return base64.urlsafe_b64encode(f"{updated_at_ms}.{conversation_id}".encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> tuple[int, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise BadCursor from error
    position = _POSITION.fullmatch(text)
    if position is None or int(position[1]) >= 2**63:
        raise BadCursor
    return int(position[1]), position[2]
